//! How a Redis is written on the command line: `HOST:PORT[,user=NAME][,password-file=FILE][,prefix=PREFIX]`.

use triplane_contract::store::OnlineAccess;
use triplane_crds::validate::closest;

const OPTIONS: [&str; 3] = ["user", "password-file", "prefix"];

/// Reads the flag; the error says what to write.
pub fn parse(text: &str) -> Result<OnlineAccess, String> {
    let mut parts = text.split(',');
    let address = parts.next().unwrap_or_default();
    let port = address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
    if !matches!(port, Some((host, Ok(_))) if !host.is_empty()) {
        return Err(format!("{address:?} is no HOST:PORT, for example 127.0.0.1:6379"));
    }
    let (mut key_prefix, mut username, mut password_file) = (String::new(), None, None);
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if value.is_empty() {
            return Err(format!("{part:?} is no option: write {}=VALUE", known(name)));
        }
        match name {
            "user" => username = Some(value.to_owned()),
            "password-file" => password_file = Some(absolute(value)?),
            "prefix" => value.clone_into(&mut key_prefix),
            _ => {
                let hint = closest(name, OPTIONS.into_iter());
                return Err(format!(
                    "there is no option {name:?}{hint}: there is {}",
                    OPTIONS.join(", ")
                ));
            }
        }
    }
    Ok(OnlineAccess::Redis {
        address: address.to_owned(),
        prefix: key_prefix,
        username,
        password_file,
    })
}

fn known(name: &str) -> &str {
    OPTIONS.into_iter().find(|option| *option == name).unwrap_or("user")
}

/// The path goes into the state, which is read from other folders, too.
fn absolute(path: &str) -> Result<String, String> {
    let path = std::path::absolute(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_user_a_password_file_and_a_prefix() {
        let parsed = parse("redis.example:6380,user=reader,password-file=/run/secrets/redis,prefix=t:").unwrap();
        let expected = OnlineAccess::Redis {
            address: "redis.example:6380".to_owned(),
            prefix: "t:".to_owned(),
            username: Some("reader".to_owned()),
            password_file: Some("/run/secrets/redis".to_owned()),
        };
        assert_eq!(parsed, expected);
        assert!(matches!(parse("[::1]:6379"), Ok(OnlineAccess::Redis { address, .. }) if address == "[::1]:6379"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_to_write() {
        for (text, part) in [
            ("localhost", "is no HOST:PORT, for example 127.0.0.1:6379"),
            ("localhost:http", "is no HOST:PORT"),
            (":6379", "is no HOST:PORT"),
            ("a:1,usr=x", "(did you mean \"user\"?)"),
            ("a:1,user", "write user=VALUE"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
