//! Who a command runs as: the user of a configuration, looked up in the image's own files.

use std::fs::File;
use std::io::Read;

/// Largest `/etc/passwd` and `/etc/group` that are read, in bytes.
pub(super) const ACCOUNTS_BYTES_MAX: u64 = 1024 * 1024;

/// A user with its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Further groups that list the user by name.
    pub(super) groups: Vec<u32>,
    pub(super) home: String,
}

/// Reads the files of the root directory in which the process is.
pub(super) fn look_up(user: &str) -> Result<Identity, String> {
    identity(user, &read("/etc/passwd")?, &read("/etc/group")?)
}

/// A file that is not there is as good as an empty one.
fn read(path: &str) -> Result<String, String> {
    let Ok(file) = File::open(path) else {
        return Ok(String::new());
    };
    let mut text = Vec::new();
    file.take(ACCOUNTS_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("{path}: {error}"))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > ACCOUNTS_BYTES_MAX) {
        return Err(format!("{path} is larger than {ACCOUNTS_BYTES_MAX} bytes"));
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `user` as `USER[:GROUP]`, each a name or a number; empty is root. A number needs no entry in the files.
fn identity(user: &str, passwd: &str, group: &str) -> Result<Identity, String> {
    let (user, wanted_group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let users = || passwd.lines().filter_map(Account::parse);
    let number = user.parse::<u32>().ok();
    let account = users()
        .find(|account| account.name == user)
        .or_else(|| users().find(|account| number == Some(account.uid)));
    let (uid, primary) = match (&account, number) {
        (Some(account), _) => (account.uid, account.gid),
        (None, Some(uid)) => (uid, 0),
        (None, None) => return Err(format!("the user {user:?} is not in the image's /etc/passwd")),
    };
    let gid = match wanted_group {
        None => primary,
        Some(wanted) => group_id(wanted, group)
            .ok_or_else(|| format!("the group {wanted:?} is not in the image's /etc/group"))?,
    };
    let groups = match (&account, wanted_group) {
        (Some(account), None) => groups_of(account.name, gid, group),
        _ => Vec::new(),
    };
    let home = account
        .map(|account| account.home)
        .filter(|home| !home.is_empty())
        .unwrap_or("/")
        .to_owned();
    Ok(Identity {
        uid,
        gid,
        groups,
        home,
    })
}

/// A line of `/etc/passwd`.
struct Account<'l> {
    name: &'l str,
    uid: u32,
    gid: u32,
    home: &'l str,
}

impl<'l> Account<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Self {
            name,
            uid,
            gid,
            home: fields.nth(1).unwrap_or_default(),
        })
    }
}

fn group_id(wanted: &str, group: &str) -> Option<u32> {
    let named = group.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == wanted {
            fields.nth(1)?.parse().ok()
        } else {
            None
        }
    });
    named.or_else(|| wanted.parse().ok())
}

fn groups_of(name: &str, primary: u32, group: &str) -> Vec<u32> {
    let member_of = |line: &str| {
        let mut fields = line.split(':');
        let id = fields.nth(2)?.parse().ok()?;
        let member = fields.next()?.split(',').any(|member| member.trim() == name);
        (member && id != primary).then_some(id)
    };
    group.lines().filter_map(member_of).take(GROUPS_MAX).collect()
}

/// The kernel takes far more, but no image needs them.
const GROUPS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
    const GROUP: &str = "root:x:0:\ntty:x:5:nonroot\nnonroot:x:65532:\nstaff:x:50:a,nonroot\n";

    fn check(user: &str, uid: u32, gid: u32, groups: &[u32], home: &str) {
        let expected = Identity {
            uid,
            gid,
            groups: groups.to_vec(),
            home: home.to_owned(),
        };
        assert_eq!(identity(user, PASSWD, GROUP), Ok(expected), "{user}");
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        check("", 0, 0, &[], "/root");
        check("nonroot", 65532, 65532, &[5, 50], "/home/nonroot");
        check("65532", 65532, 65532, &[5, 50], "/home/nonroot");
        check("nonroot:tty", 65532, 5, &[], "/home/nonroot");
        check("65532:0", 65532, 0, &[], "/home/nonroot");
        check("1234", 1234, 0, &[], "/");
        check("1234:77", 1234, 77, &[], "/");
    }

    #[test]
    fn unknown_names_are_errors() {
        assert!(identity("app", PASSWD, GROUP).unwrap_err().contains("\"app\""));
        assert!(
            identity("root:wheel", PASSWD, GROUP)
                .unwrap_err()
                .contains("\"wheel\"")
        );
    }
}
