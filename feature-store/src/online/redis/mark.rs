//! Marks on a server: `<token> <table> <version>` as text, `-` for what there is not. A mark without a table says that the
//! view's rows are being dropped.

use std::sync::LazyLock;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, Script};

use super::{RedisStore, is_no_script, script};
use crate::key::RowKey;
use crate::online::mark::fresh_token;
use crate::online::{Mark, MarkToken, OnlineError, OnlineStore, Piece, TableId};

/// What can be done to the mark KEYS[1], each in one step. ARGV is the verb and its arguments.
///
/// `life` names the server's process. One that starts again from a snapshot has marks from before the rows it lost, and a
/// replica that takes over may lack rows as well: what was read in another life does not count. Versions are compared as
/// decimal numbers without leading zeros: the larger is the longer one, else the one with the first larger digit. The DEL of
/// a claim makes the SET after it count as no first write, which a full server would refuse: dropping is what helps it.
pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local info = redis.pcall('INFO', 'server')
local life = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
life = string.sub(life, 1, 16)
local verb, given = ARGV[1], ARGV[2]
local mark = redis.call('GET', KEYS[1])
local dropping = mark and string.sub(mark, -4) == ' - -'

local function is_larger(new, old)
  if old == '-' then return true end
  if #old ~= #new then return #new > #old end
  for i = 1, #new do
    local o, n = string.byte(old, i), string.byte(new, i)
    if n ~= o then return n > o end
  end
  return false
end

if verb == 'ensure' or verb == 'claim' then
  if not mark or (verb == 'claim' and not dropping) then
    mark = given
    if verb == 'claim' then redis.call('DEL', KEYS[1]) end
    redis.call('SET', KEYS[1], mark)
  end
  return {mark, life}
elseif verb == 'release' then
  if life ~= ARGV[3] then return 0 end
  if mark == given or not dropping then redis.call('DEL', KEYS[1]) end
  return 1
end
local token, owner, published = string.match(mark or '', '^(%S+) (%S+) (%S+)$')
if not token or token .. '.' .. life ~= given then return 0 end
if is_larger(ARGV[3], published) then
  redis.call('SET', KEYS[1], token .. ' ' .. owner .. ' ' .. ARGV[3])
end
return 1
",
    )
});

fn call(key: &RowKey, arguments: &[&str]) -> Cmd {
    let mut call = redis::cmd("EVALSHA");
    call.arg(SCRIPT.get_hash()).arg(1).arg(key.as_bytes()).arg(arguments);
    call
}

/// A mark that is none of ours is one without a table: the view is dropped and filled again.
fn parse(piece: Piece, text: &[u8], life: &str) -> Mark {
    let words: Vec<&str> = std::str::from_utf8(text).unwrap_or_default().split(' ').collect();
    let (token, table, published) = match words[..] {
        [token, table, version] => (token, u128::from_str_radix(table, 16).ok(), version.parse().ok()),
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
pub(super) struct Claim(Vec<(RowKey, Bytes, String)>);

impl RedisStore {
    async fn run_mark<T: FromRedisValue + Send>(&self, key: &RowKey, arguments: &[&str]) -> Result<T, OnlineError> {
        let call = call(key, arguments);
        let call = &call;
        let run = |mut connection: MultiplexedConnection| async move {
            match call.query_async(&mut connection).await {
                Err(error) if is_no_script(&error) => {
                    script::load(connection.clone()).await?;
                    call.query_async(&mut connection).await
                }
                done => done,
            }
        };
        self.writes.run(run).await
    }

    pub(super) async fn ensure_mark(&self, key: &RowKey, piece: Piece, table: TableId) -> Result<Mark, OnlineError> {
        let fresh = format!("{} {table} -", fresh_token());
        let (text, life): (Bytes, String) = self.run_mark(key, &["ensure", &fresh]).await?;
        Ok(parse(piece, &text, &life))
    }

    pub(super) async fn advance(&self, key: &RowKey, token: &MarkToken, version: i64) -> Result<bool, OnlineError> {
        let version = version.max(0).to_string();
        self.run_mark(key, &["advance", &token.0, &version]).await
    }

    /// Makes every mark say that rows are being dropped, or joins the call that did.
    pub(super) async fn claim(&self, view_id: &str) -> Result<Claim, OnlineError> {
        let mut claim = Vec::new();
        for key in self.mark_keys(view_id) {
            let fresh = format!("{} - -", fresh_token());
            let (text, life): (Bytes, String) = self.run_mark(&key, &["claim", &fresh]).await?;
            claim.push((key, text, life));
        }
        Ok(Claim(claim))
    }

    /// Whether nobody can have filled the view since `claim`.
    pub(super) async fn holds(&self, claim: &Claim) -> Result<bool, OnlineError> {
        let keys: Vec<RowKey> = claim.0.iter().map(|(key, ..)| key.clone()).collect();
        let found = self.read(&keys).await?;
        Ok(found
            .iter()
            .zip(&claim.0)
            .all(|(found, (_, text, _))| found.as_ref() == Some(text)))
    }

    /// Removes the marks: also those of whoever filled the view after a call that joined had ended, since rows of theirs may
    /// have been dropped; not those of a later claim. `false` where a server has started again meanwhile: it may have rows
    /// that were dropped, so it has to be done again.
    pub(super) async fn release(&self, claim: &Claim) -> Result<bool, OnlineError> {
        for (key, text, life) in &claim.0 {
            let text = std::str::from_utf8(text).unwrap_or_default();
            if !self.run_mark::<bool>(key, &["release", text, life]).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
