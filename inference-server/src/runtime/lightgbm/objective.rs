//! The objective's output function: from raw score to prediction.

use super::error::LoadError;

/// From raw score to prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Output {
    /// As it is.
    Identity,
    /// 1 / (1 + exp(-k x))
    Sigmoid(f64),
    /// exp(x)
    Exp,
    /// log(1 + exp(x))
    LogOnePlusExp,
    /// sign(x) x²: regression on square roots.
    SignedSquare,
}

impl Output {
    /// Reads the header's objective: a name and `parameter:value` or flags behind it.
    pub(super) fn parse(objective: Option<&str>) -> Result<Self, LoadError> {
        let Some(objective) = objective else {
            return Ok(Self::Identity);
        };
        let mut words = objective.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let sqrt = words.clone().any(|word| word == "sqrt");
        match name {
            "regression" | "regression_l1" | "fair" | "quantile" | "mape" if sqrt => Ok(Self::SignedSquare),
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "lambdarank" | "rank_xendcg"
            | "custom" | "none" => Ok(Self::Identity),
            "poisson" | "gamma" | "tweedie" => Ok(Self::Exp),
            "cross_entropy" => Ok(Self::Sigmoid(1.0)),
            "cross_entropy_lambda" => Ok(Self::LogOnePlusExp),
            "binary" => {
                let slope = words.find_map(|word| word.strip_prefix("sigmoid:")).unwrap_or("1");
                let slope = slope.parse().ok().filter(|k: &f64| *k > 0.0);
                slope.map(Self::Sigmoid).ok_or_else(|| LoadError::Header {
                    line: format!("objective={objective}"),
                })
            }
            _ => Err(LoadError::Unsupported {
                what: format!("the objective `{objective}`"),
                instead: "serve a binary, regression, cross-entropy or ranking model".to_owned(),
            }),
        }
    }

    /// Converts one score. The order of operations is the library's.
    pub(super) fn convert(self, raw: f64) -> f64 {
        match self {
            Self::Identity => raw,
            Self::Sigmoid(k) => 1.0 / (1.0 + (-k * raw).exp()),
            Self::Exp => raw.exp(),
            Self::LogOnePlusExp => raw.exp().ln_1p(),
            Self::SignedSquare => f64::from(i8::from(raw > 0.0) - i8::from(raw < 0.0)) * raw * raw,
        }
    }
}
