//! Marks on a server: `<token> <table> <version> <last slot>` as text, `-` for what there is not. A mark without a table says
//! that the view's rows are being dropped.

use std::sync::LazyLock;

use bytes::Bytes;
use redis::{Cmd, FromRedisValue, Script};

use super::batch::calls_by_key;
use super::node::Lane;
use super::{OnlineError, OnlineStore, RedisStore};
use crate::key::RowKey;
use crate::online::mark::fresh_token;
use crate::online::{Mark, MarkToken, Piece, TableId};

/// What can be done to the mark KEYS[1], each in one step. ARGV is the verb and its arguments.
///
/// `life` names the server's process. One that starts again from a snapshot has marks from before the rows it lost, and a
/// replica that takes over may lack rows as well: what was read in another life does not count. Versions are compared as
/// decimal numbers without leading zeros: the larger is the longer one, else the one with the first larger digit. The DEL of
/// a claim makes the SET after it count as no first write, which a full server would refuse: dropping is what helps it.
///
/// A piece is cut anew when slots change hands. One that became smaller keeps its mark; of one that became larger nobody knows
/// what the new slots hold: it gets a new mark.
pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local life = string.sub(string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'), 1, 16)
local verb, given = ARGV[1], ARGV[2]
local mark = redis.call('GET', KEYS[1])
local token, owner, published, last = string.match(mark or '', '^(%S+) (%S+) (%S+) (%d+)$')
local dropping = owner == '-' and published == '-'

local function is_larger(new, old)
  if old == '-' then return true end
  if #old ~= #new then return #new > #old end
  for i = 1, #new do
    local o, n = string.byte(old, i), string.byte(new, i)
    if n ~= o then return n > o end
  end
  return false
end

if verb == 'ensure' then
  local _, ours, _, wanted = string.match(given, '^(%S+) (%S+) (%S+) (%d+)$')
  local is_ours = token and owner == ours
  if not mark or (is_ours and tonumber(last) < tonumber(wanted)) then
    mark = given
    redis.call('SET', KEYS[1], mark)
  elseif is_ours and last ~= wanted then
    mark = token .. ' ' .. owner .. ' ' .. published .. ' ' .. wanted
    redis.call('SET', KEYS[1], mark)
  end
  return {mark, life}
elseif verb == 'claim' then
  if not dropping then
    mark = given
    redis.call('DEL', KEYS[1])
    redis.call('SET', KEYS[1], mark)
  end
  return {mark, life}
elseif verb == 'release' then
  if life ~= ARGV[3] then return 0 end
  if mark == given or not dropping then redis.call('DEL', KEYS[1]) end
  return 1
end
if not token or token .. '.' .. life ~= given or last ~= ARGV[4] then return 0 end
if is_larger(ARGV[3], published) then
  redis.call('SET', KEYS[1], token .. ' ' .. owner .. ' ' .. ARGV[3] .. ' ' .. last)
end
return 1
",
    )
});

fn call(key: &RowKey, arguments: &[String]) -> Cmd {
    let mut call = redis::cmd("EVALSHA");
    call.arg(SCRIPT.get_hash()).arg(1).arg(key.as_bytes()).arg(arguments);
    call
}

/// A mark that is none of ours is one without a table: the view is dropped and filled again.
fn parse(piece: Piece, text: &[u8], life: &str) -> Mark {
    let words: Vec<&str> = std::str::from_utf8(text).unwrap_or_default().split(' ').collect();
    let (token, table, published) = match words[..] {
        [token, table, version, _] => (token, u128::from_str_radix(table, 16).ok(), version.parse().ok()),
        _ => ("", None, None),
    };
    Mark {
        piece,
        token: MarkToken(format!("{token}.{life}")),
        table: table.map(TableId),
        published,
    }
}

/// The marks by which a call of `drop_view` keeps others from filling the view, each with the server's life.
pub(super) struct Claim {
    keys: Vec<RowKey>,
    marks: Vec<(Bytes, String)>,
}

impl Claim {
    /// Whether `key` is one of its marks.
    pub(super) fn has(&self, key: &RowKey) -> bool {
        self.keys.contains(key)
    }
}

impl RedisStore {
    /// Does the same verb to many marks, each with its arguments.
    async fn run_marks<T: FromRedisValue + Send + Clone>(
        &self,
        keys: &[RowKey],
        arguments: &[Vec<String>],
    ) -> Result<Vec<T>, OnlineError> {
        let mut answers: Vec<Option<T>> = vec![None; keys.len()];
        let encode = |places: &[usize]| call(&keys[places[0]], &arguments[places[0]]);
        let keep = |places: &[usize], answer: T| {
            answers[places[0]] = Some(answer);
            Ok(())
        };
        self.run(Lane::Writes, calls_by_key(keys), encode, keep).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    fn mark_keys(&self, view_id: &str, pieces: impl IntoIterator<Item = Piece>) -> Vec<RowKey> {
        let key = |piece| RowKey::mark(&self.prefix, view_id, piece);
        pieces.into_iter().map(key).collect()
    }

    pub(super) async fn ensure_marks(&self, view_id: &str, table: TableId) -> Result<Vec<Mark>, OnlineError> {
        let pieces = self.discovery.refresh().await?.pieces();
        let keys = self.mark_keys(view_id, pieces.iter().copied());
        let fresh = |piece: &Piece| {
            vec![
                "ensure".to_owned(),
                format!("{} {table} - {}", fresh_token(), piece.last),
            ]
        };
        let arguments: Vec<_> = pieces.iter().map(fresh).collect();
        let found: Vec<(Bytes, String)> = self.run_marks(&keys, &arguments).await?;
        let marks = pieces.iter().zip(&found);
        Ok(marks.map(|(piece, (text, life))| parse(*piece, text, life)).collect())
    }

    /// Slots that changed hands since the marks were read may hold rows that went elsewhere: marks of pieces that are no more do
    /// not advance.
    pub(super) async fn advance(&self, view_id: &str, marks: &[Mark], version: i64) -> Result<bool, OnlineError> {
        let pieces = self.discovery.refresh().await?.pieces();
        let (marks, gone): (Vec<&Mark>, Vec<&Mark>) = marks.iter().partition(|mark| pieces.contains(&mark.piece));
        let keys = self.mark_keys(view_id, marks.iter().map(|mark| mark.piece));
        let version = version.max(0).to_string();
        let step = |mark: &&Mark| {
            let last = mark.piece.last.to_string();
            vec!["advance".to_owned(), mark.token.0.clone(), version.clone(), last]
        };
        let arguments: Vec<_> = marks.iter().map(step).collect();
        let advanced: Vec<bool> = self.run_marks(&keys, &arguments).await?;
        Ok(gone.is_empty() && advanced.iter().all(|advanced| *advanced))
    }

    /// Makes every mark say that rows are being dropped, or joins the call that did.
    pub(super) async fn claim(&self, view_id: &str, pieces: &[Piece]) -> Result<Claim, OnlineError> {
        let keys = self.mark_keys(view_id, pieces.iter().copied());
        let fresh = |piece: &Piece| vec!["claim".to_owned(), format!("{} - - {}", fresh_token(), piece.last)];
        let arguments: Vec<_> = pieces.iter().map(fresh).collect();
        let marks = self.run_marks(&keys, &arguments).await?;
        Ok(Claim { keys, marks })
    }

    /// Whether nobody can have filled the view since `claim`.
    pub(super) async fn holds(&self, claim: &Claim) -> Result<bool, OnlineError> {
        let found = self.read(&claim.keys).await?;
        let mut pairs = found.iter().zip(&claim.marks);
        Ok(pairs.all(|(found, (text, _))| found.as_ref() == Some(text)))
    }

    /// Removes the marks: also those of whoever filled the view after a call that joined had ended, since rows of theirs may
    /// have been dropped; not those of a later claim. `false` where a server has started again meanwhile: it may have rows
    /// that were dropped, so it has to be done again.
    pub(super) async fn release(&self, claim: &Claim) -> Result<bool, OnlineError> {
        let release = |(text, life): &(Bytes, String)| {
            let text = String::from_utf8_lossy(text).into_owned();
            vec!["release".to_owned(), text, life.clone()]
        };
        let arguments: Vec<_> = claim.marks.iter().map(release).collect();
        let released: Vec<bool> = self.run_marks(&claim.keys, &arguments).await?;
        Ok(released.iter().all(|released| *released))
    }
}
