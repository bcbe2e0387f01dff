//! The real program: what it records, and what it tells of a trail.

use std::fs;

use serde_json::Value;

use crate::lines;
use crate::scene::Scene;

#[test]
fn every_command_that_touches_tokens_leaves_a_line() {
    let scene = Scene::new();
    assert_eq!(scene.trail(), b"", "a vault that is being made has no token yet");
    let id = scene.save("alice");
    let (mut expected, ok) = (vec![("save_token", "ok")], |operation| (operation, "ok"));
    for (args, operation) in [
        (&["get", &id][..], "find_token_by_id"),
        (&["find", "--user", "alice"], "find_token"),
        (&["list"], "get_tokens"),
        (&["verify"], "verify"),
        (&["rotate-key"], "rotate_key"),
        (&["backup", "copy.tv"], "backup"),
        (&["change-passphrase", "--new-key-file", "key"], "change_key"),
        #[cfg(feature = "import")]
        (&["export", "--format-of", "python", "--reveal", "--to", "tokens.csv"], "export"),
        #[cfg(feature = "import")]
        (&["import", "--from", "tokens.csv"], "import"),
        (&["delete", &id], "delete_token"),
        (&["delete-all", "--yes"], "delete_tokens"),
    ] {
        scene.done(args, "");
        expected.push(ok(operation));
    }
    scene.ends(&["get", &id], 1);
    scene.ends(&["delete", "nothing"], 1);
    expected.extend([("find_token_by_id", "not-found"), ("delete_token", "not-found")]);
    let told = scene.operations();
    assert_eq!(told.iter().map(|(op, end)| (op.as_str(), end.as_str())).collect::<Vec<_>>(), expected);
    assert!(lines(&scene.trail()).iter().all(|line| line.principal.as_deref().is_none_or(|who| who == "ada")));
    assert!(!String::from_utf8(scene.trail()).unwrap().contains("canary"));
    // The vault was sealed anew twice meanwhile, and its key file changed: the audit key outlives that.
    assert!(scene.done(&["audit", "verify"], "").contains("14 intact, 0 open, 0 broken"));
}

#[test]
fn a_token_that_is_looked_up_by_its_user_and_then_refreshed_leaves_both_lines() {
    let scene = Scene::new();
    let alice = r#"{"user_name": "alice", "client_id": "c", "client_secret": "canary", "refresh_token": "canary-r",
        "access_token": "canary-a", "expires_in": "4000000000000"}"#;
    scene.done(&["save"], alice);
    scene.done(&["token", "--user", "alice", "--provider", "http://127.0.0.1:9"], "");
    let expected = ["find_token", "find_token_by_id"].map(|operation| (operation.to_owned(), "ok".to_owned()));
    assert_eq!(scene.operations()[1..], expected);
}

#[test]
fn a_copy_leaves_a_line_in_both_vaults_chains() {
    let scene = Scene::new();
    scene.save("alice");
    scene.done(&["init", "--make-key-file", "--store", "file:other.tv", "--key-file", "other.key"], "");
    scene.done(&["copy", "--from", "file:vault.tv", "--to", "file:other.tv", "--to-key-file", "other.key"], "");
    assert_eq!(scene.operations()[1..].to_vec(), vec![("copy".to_owned(), "ok".to_owned()); 2]);
    // Whether the other vault's lines are the ones that this vault's chain names, its key cannot tell.
    let (out, err) = scene.ends(&["audit", "verify", "--allow-open"], 5);
    assert!(out.contains("only a chain of another vault has") && err.contains("add --allow-foreign"), "{out}{err}");
    let out = scene.done(&["audit", "verify", "--allow-foreign"], "");
    assert!(out.contains("3 chains: 2 intact, 0 open, 0 broken, 1 of another vault"), "{out}");
    let (out, _) = scene.ends(&["audit", "verify", "--store", "file:other.tv", "--key-file", "other.key"], 5);
    assert!(out.contains("3 chains: 0 intact, 0 open, 1 broken, 2 of another vault"), "{out}");
}

#[test]
fn the_trail_is_asked_by_token_user_principal_outcome_and_time() {
    let scene = Scene::new();
    let (alice, bob) = (scene.save("alice"), scene.save("bob"));
    scene.done(&["get", &alice], "");
    scene.done(&["list"], "");
    scene.ends(&["get", "wrong"], 1);
    let mut other = scene.command(&["get", &bob]);
    other.env("TOKENVAULT_PRINCIPAL", "eve");
    assert!(Scene::run(other, "").status.success());
    let count = |args: &[&str]| {
        let out = scene.done(&[&["audit", "--format", "json"], args].concat(), "");
        let calls: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        calls.len()
    };
    assert_eq!(count(&[]), 6);
    assert_eq!(count(&["--token", &alice]), 3, "saved, read, and listed with all others");
    assert_eq!(count(&["--token", "wrong"]), 2, "by its hash, and listed");
    assert_eq!(count(&["--user", "alice"]), 2);
    assert_eq!(count(&["--user", "nobody"]), 0);
    assert_eq!(count(&["--principal", "eve"]), 1);
    assert_eq!(count(&["--outcome", "not-found"]), 1);
    assert_eq!(count(&["--since", "1h"]), 6);
    assert_eq!(count(&["--until", "2026-01-01"]), 0);
    assert_eq!(count(&["--since", "2020-01-01T00:00:00Z", "--user", "bob", "--principal", "eve"]), 1);
    let table = scene.done(&["audit", "--user", "bob"], "");
    assert!(
        table.trim_start().starts_with("TIME") && table.contains("ok (inserted)") && table.contains(&bob),
        "{table}"
    );
    assert!(scene.ends(&["audit", "--since", "soon"], 2).1.contains("try: write for example"));
    let piped = Scene::run(scene.command(&["audit", "--from", "-"]), &String::from_utf8(scene.trail()).unwrap());
    assert_eq!(String::from_utf8(piped.stdout).unwrap().lines().count(), 8);
    let mut unset = scene.command(&["audit"]);
    unset.env_remove("TOKENVAULT_AUDIT");
    assert_eq!(Scene::run(unset, "").status.code(), Some(2));
}

/// Two roles of one account differ where a cell of a list has long ended.
#[test]
fn tables_show_whose_role_and_which_secret_it_was() {
    let scene = Scene::new();
    let role = |name: &str| format!("arn:aws:sts::123456789012:assumed-role/{name}/i-0123456789abcdef0");
    for name in ["crm-worker", "crm-report"] {
        let mut command = scene.command(&["list"]);
        command.env("TOKENVAULT_PRINCIPAL", role(name));
        assert!(Scene::run(command, "").status.success());
    }
    let table = scene.done(&["audit"], "");
    assert!(table.contains(&role("crm-worker")) && table.contains(&role("crm-report")), "{table}");
    assert_eq!(table.lines().count(), 4, "a row is a line: {table}");
    let secret = "prod/emea/customer-relations/crm/token/tvaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let event = format!(
        r#"{{"eventTime": "2026-11-22T17:20:00Z", "eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue",
        "requestID": "strange", "requestParameters": {{"secretId": "{secret}"}}, "userIdentity": {{"arn": "{}"}}}}"#,
        role("crm-eve")
    );
    fs::write(scene.path("events"), event).unwrap();
    let asked = ["audit", "--prefix", "prod/emea/customer-relations/crm", "--cloudtrail", "events"];
    let (table, _) = scene.ends(&asked, 1);
    assert!(table.contains(secret) && table.contains(&role("crm-eve")), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn a_picture_is_drawn_for_a_terminal_and_as_svg() {
    let scene = Scene::new();
    scene.save("alice");
    scene.ends(&["get", "wrong"], 1);
    let drawn = scene.done(&["audit", "--timeline", "--svg", "calls.svg"], "");
    assert!(drawn.starts_with("ada │") && drawn.contains("│ 2\n") && drawn.ends_with("drew calls.svg\n"), "{drawn}");
    let svg = fs::read_to_string(scene.path("calls.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains(">ada</text>"), "{svg}");
    scene.ends(&["audit", "--svg", "calls.svg"], 2);
    assert_eq!(scene.done(&["audit", "--timeline", "--principal", "nobody"], ""), "no calls\n");
}

#[test]
fn reads_that_did_not_come_through_the_vault_are_named() {
    let scene = Scene::new();
    let event = |request: &str| {
        format!(
            r#"{{"eventTime": "2026-11-22T17:20:00Z", "eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue",
            "requestID": "{request}", "requestParameters": {{"secretId": "prod/crm/index"}},
            "userIdentity": {{"arn": "arn:aws:iam::1:user/eve"}}}}"#
        )
    };
    let line = r#"{"v":1,"time":"t","kind":"call","operation":"get_tokens","requests":["known"],"chain":"c","seq":0"#;
    fs::write(scene.path("line"), format!("{line},\"mac\":\"{}\"}}", "ab".repeat(32))).unwrap();
    fs::write(scene.path("without-mac"), format!("{line}}}")).unwrap();
    fs::write(scene.path("events"), format!(r#"{{"Records": [{}, {}]}}"#, event("known"), event("strange"))).unwrap();
    fs::write(scene.path("known"), event("known")).unwrap();
    let asked = ["audit", "--from", "line", "--prefix", "prod/crm", "--cloudtrail"];
    let (out, err) = scene.ends(&[&asked[..], &["events"]].concat(), 1);
    assert!(out.contains("user/eve") && out.contains("strange") && !out.contains("known"), "{out}");
    assert!(err.contains("error: 1 read not in the audit trail"), "{err}");
    let none = scene.done(&[&asked[..], &["known"]].concat(), "");
    assert_eq!(none, "every read of the vault's secrets came through the vault\n");
    let (_, err) = scene.ends(&[&asked[..], &["events"]].concat(), 1);
    assert!(err.contains("note: held 2 events against the trail: 2 reads of the vault's secrets"), "{err}");
    scene.ends(&["audit", "--from", "line", "--cloudtrail", "known"], 2);
    let other = scene.done(&["audit", "--from", "line", "--prefix", "prod", "--cloudtrail", "known"], "");
    assert_eq!(other, "no read of the vault's secrets is among the events\n");
    // The Region of the store counts beside a prefix, too.
    #[cfg(feature = "aws")]
    for (region, code) in [("eu-west-1", 1), ("eu-central-1", 0)] {
        let placed = event("strange").replacen('{', "{\"awsRegion\": \"eu-west-1\", ", 1);
        fs::write(scene.path("placed"), placed).unwrap();
        let store = format!("aws:other?region={region}");
        scene.ends(&[&["--store", &store], &asked[..], &["placed"]].concat(), code);
    }
    for nothing in ["", "{}"] {
        fs::write(scene.path("nothing"), nothing).unwrap();
        let (out, err) = scene.ends(&[&asked[..], &["nothing"]].concat(), 2);
        assert!(out.is_empty() && err.contains("holds none") && err.contains("try: "), "{out}{err}");
    }
    // What has no MAC is no line of a trail, whatever it says.
    scene.ends(&["audit", "--from", "without-mac", "--prefix", "prod/crm", "--cloudtrail", "known"], 1);
    assert!(scene.done(&["audit", "--from", "line"], "").contains("get_tokens"));
    assert_eq!(scene.done(&["audit", "--from", "without-mac"], ""), "no calls\n");
}

#[test]
fn a_trail_that_was_worked_on_is_told_by_the_exit_code() {
    let scene = Scene::new();
    let id = scene.save("alice");
    scene.done(&["get", &id], "");
    scene.done(&["audit", "verify"], "");
    let whole = scene.trail();
    let text = String::from_utf8(whole.clone()).unwrap();
    let write = |bytes: &[u8]| fs::write(scene.path("audit.jsonl"), bytes).unwrap();
    write(text.replace("find_token_by_id", "find_token_by_iD").as_bytes());
    let (out, err) = scene.ends(&["audit", "verify"], 5);
    assert!(out.contains("was changed") && err.contains("error: the audit trail was changed"), "{out}{err}");
    let without = |gone: usize| {
        text.lines().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    for gone in 0..text.lines().count() - 1 {
        write(without(gone).as_bytes());
        scene.ends(&["audit", "verify"], 5);
    }
    write(without(text.lines().count() - 1).as_bytes());
    let (out, _) = scene.ends(&["audit", "verify"], 4);
    assert!(out.contains("1 open"), "{out}");
    scene.ends(&["audit", "verify", "--allow-open"], 0);
    let (out, _) = scene.ends(&["audit", "verify", "--format", "json"], 4);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["open"], 1);
    // An emptied trail, and one that a log has put into JSON of its own.
    let packed: String = text.lines().map(|line| format!("{}\n", serde_json::json!({ "log": line }))).collect();
    for nothing in ["", &packed] {
        write(nothing.as_bytes());
        let (out, err) = scene.ends(&["audit", "verify", "--allow-open"], 1);
        assert!(out.contains("0 chains") && err.contains("no line of an audit trail"), "{out}{err}");
    }
    // Rotated: both files, in their order.
    let half = text.lines().take(4).map(str::len).sum::<usize>() + 4;
    fs::write(scene.path("first"), &whole[..half]).unwrap();
    fs::write(scene.path("second"), &whole[half..]).unwrap();
    scene.ends(&["audit", "verify", "--from", "first", "--from", "second"], 0);
    scene.ends(&["audit", "verify", "--from", "second"], 5);
}
