//! IAM, tags as far as access hangs on them, and resource policies.

use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::settings::Settings;
use serde_json::{Value, json};

use crate::account::{Account, token};

const ADMIN: &str = "AKIDADMIN";
const VAULT: &str = "AKIDVAULT";
const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/vault/pod-1";

fn policy(statements: Value) -> Policy {
    Policy::parse(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string()).unwrap()
}

fn allow(action: Value, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

/// An administrator, and the vault's role with these statements.
fn account(statements: Value) -> Account {
    let admin = Principal::new("arn:aws:iam::123456789012:user/admin");
    let admin = admin.policy(policy(allow(json!("secretsmanager:*"), "*")));
    let vault = Principal::new(ROLE).tag("tenant", "acme").policy(policy(statements));
    Account::of(Settings::new().principal(ADMIN, admin).principal(VAULT, vault))
}

fn create(account: &Account, access_key: &str, name: &str, tags: Value) -> Result<Value, String> {
    let body = json!({ "Name": name, "ClientRequestToken": token(0), "SecretString": "x", "Tags": tags });
    account.call_as(access_key, "CreateSecret", body).map_err(|error| error.code.into_owned())
}

fn get(account: &Account, id: &str) -> Result<Value, String> {
    let read = account.call_as(VAULT, "GetSecretValue", json!({ "SecretId": id }));
    read.map_err(|error| error.code.into_owned())
}

const DENIED: &str = "AccessDeniedException";

#[test]
fn r47_what_no_policy_allows_is_denied_by_name() {
    let prefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";
    let account = account(json!([
        allow(json!(["secretsmanager:Get*", "secretsmanager:CreateSecret"]), &format!("{prefix}vault/*")),
        { "Effect": "Deny", "Action": "secretsmanager:*", "Resource": format!("{prefix}vault/secret-??????") },
    ]));
    create(&account, ADMIN, "vault/a", json!([])).unwrap();
    create(&account, ADMIN, "vault/secret", json!([])).unwrap();
    let arn = create(&account, ADMIN, "other", json!([])).unwrap()["ARN"].as_str().unwrap().to_owned();
    get(&account, "vault/a").unwrap();
    create(&account, VAULT, "vault/b", json!([])).unwrap();
    let refused = account.call_as(VAULT, "GetSecretValue", json!({ "SecretId": "other" })).unwrap_err();
    let text = format!(
        "User: {ROLE} is not authorized to perform: secretsmanager:GetSecretValue on resource: {arn} because no \
         identity-based policy allows the secretsmanager:GetSecretValue action"
    );
    assert_eq!((refused.code.as_ref(), refused.status, refused.message), (DENIED, 400, text));
    let refused = account.call_as(VAULT, "GetSecretValue", json!({ "SecretId": "vault/secret" })).unwrap_err();
    assert!(refused.message.ends_with("with an explicit deny in an identity-based policy"));
    assert_eq!(create(&account, VAULT, "elsewhere", json!([])).unwrap_err(), DENIED);
    let deleted = account.call_as(VAULT, "DeleteSecret", json!({ "SecretId": "vault/a" })).unwrap_err();
    assert_eq!(deleted.code, DENIED);
}

#[test]
fn r48_listings_and_batches_are_granted_on_everything_or_not_at_all() {
    let arn = "arn:aws:secretsmanager:*:*:secret:vault/*";
    let call = |account: &Account, operation: &str, body: Value| {
        account.call_as(VAULT, operation, body).map_err(|error| error.code.into_owned())
    };
    let scoped = account(json!([allow(json!("secretsmanager:*"), arn)]));
    create(&scoped, ADMIN, "vault/a", json!([])).unwrap();
    assert_eq!(call(&scoped, "ListSecrets", json!({})).unwrap_err(), DENIED);
    let batch = json!({ "SecretIdList": ["vault/a", "other"] });
    assert_eq!(call(&scoped, "BatchGetSecretValue", batch.clone()).unwrap_err(), DENIED);
    let granted = account(json!([
        allow(json!("secretsmanager:GetSecretValue"), arn),
        allow(json!("secretsmanager:BatchGetSecretValue"), "*"),
    ]));
    create(&granted, ADMIN, "vault/a", json!([])).unwrap();
    create(&granted, ADMIN, "other", json!([])).unwrap();
    // The batch does not widen what each secret allows.
    let batch = call(&granted, "BatchGetSecretValue", batch).unwrap();
    assert_eq!(batch["SecretValues"].as_array().unwrap().len(), 1);
    assert_eq!((&batch["Errors"][0]["SecretId"], &batch["Errors"][0]["ErrorCode"]), (&json!("other"), &json!(DENIED)));
    let filtered = json!({ "Filters": [{ "Key": "name", "Values": ["vault/"] }] });
    assert_eq!(call(&granted, "BatchGetSecretValue", filtered).unwrap_err(), DENIED, "filters need ListSecrets");
}

#[test]
fn r49_tags_decide_where_policies_say_so() {
    let by_tag = json!({ "StringEquals": { "aws:ResourceTag/tenant": "${aws:PrincipalTag/tenant}" } });
    let on_create = json!({
        "StringEquals": { "aws:RequestTag/tenant": "acme" },
        "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant"] },
    });
    let account = account(json!([
        { "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": by_tag },
        {
            "Effect": "Allow", "Action": ["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            "Resource": "*", "Condition": on_create,
        },
    ]));
    let tags = |tenant: &str| json!([{ "Key": "tenant", "Value": tenant }]);
    create(&account, ADMIN, "a", tags("acme")).unwrap();
    create(&account, ADMIN, "b", tags("other")).unwrap();
    create(&account, ADMIN, "c", json!([])).unwrap();
    get(&account, "a").unwrap();
    assert_eq!(get(&account, "b").unwrap_err(), DENIED);
    assert_eq!(get(&account, "c").unwrap_err(), DENIED);
    create(&account, VAULT, "d", tags("acme")).unwrap();
    assert_eq!(create(&account, VAULT, "e", tags("other")).unwrap_err(), DENIED);
    assert_eq!(create(&account, VAULT, "e", json!([])).unwrap_err(), DENIED);
    let more = json!([{ "Key": "tenant", "Value": "acme" }, { "Key": "more", "Value": "" }]);
    assert_eq!(create(&account, VAULT, "e", more).unwrap_err(), DENIED);
}

#[test]
fn r49_creating_with_tags_needs_the_right_to_tag() {
    let account = account(json!([allow(json!("secretsmanager:CreateSecret"), "*")]));
    create(&account, VAULT, "a", json!([])).unwrap();
    assert_eq!(create(&account, VAULT, "b", json!([{ "Key": "k", "Value": "v" }])).unwrap_err(), DENIED);
}

#[test]
fn r49_labels_of_reads_can_be_conditions() {
    let condition = json!({ "StringEquals": { "secretsmanager:VersionStage": "AWSCURRENT" } });
    let statement = json!({
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition
    });
    let account = account(json!([statement]));
    create(&account, ADMIN, "a", json!([])).unwrap();
    assert_eq!(get(&account, "a").unwrap_err(), DENIED);
    account.call_as(VAULT, "GetSecretValue", json!({ "SecretId": "a", "VersionStage": "AWSCURRENT" })).unwrap();
}

#[test]
fn r50_who_may_not_read_does_not_learn_what_is_there() {
    let prefix = "arn:aws:secretsmanager:us-east-1:123456789012:secret:";
    let account = account(json!([allow(json!("secretsmanager:GetSecretValue"), &format!("{prefix}vault/*"))]));
    assert_eq!(get(&account, "nothing").unwrap_err(), DENIED);
    assert_eq!(get(&account, "vault/nothing").unwrap_err(), "ResourceNotFoundException");
}

#[test]
fn r51_another_account_needs_both_policies_and_a_key_of_its_own() {
    let account = account(json!([]));
    let stranger = Principal::new("arn:aws:iam::999999999999:user/stranger");
    let stranger = stranger.policy(policy(allow(json!("secretsmanager:GetSecretValue"), "*")));
    account.simulator.principals(|principals| principals.insert("AKIDSTRANGER", stranger));
    account.simulator.keys(|keys| keys.create("key-1"));
    let read = |id: &str| {
        let read = account.call_as("AKIDSTRANGER", "GetSecretValue", json!({ "SecretId": id }));
        read.map_err(|error| (error.code.into_owned(), error.message))
    };
    for (name, key) in [("default", ""), ("own", "key-1")] {
        let body = json!({ "Name": name, "ClientRequestToken": token(0), "SecretString": "x", "KmsKeyId": key });
        account.call_as(ADMIN, "CreateSecret", body).unwrap();
        assert_eq!(read(name).unwrap_err().0, DENIED);
        let policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::999999999999:root" },
            "Action": "secretsmanager:GetSecretValue", "Resource": "*",
        } });
        let body = json!({ "SecretId": name, "ResourcePolicy": policy.to_string() });
        account.call_as(ADMIN, "PutResourcePolicy", body).unwrap();
    }
    let (code, message) = read("default").unwrap_err();
    assert_eq!(code, "InvalidRequestException");
    assert!(message.starts_with("You can't access a secret from a different AWS account"));
    read("own").unwrap();
}

#[test]
fn r52_an_unknown_access_key_is_refused() {
    let account = account(json!([]));
    let refused = account.call_as("AKIDNOBODY", "ListSecrets", json!({})).unwrap_err();
    assert_eq!(refused.code, "UnrecognizedClientException");
    assert_eq!(refused.message, "The security token included in the request is invalid.");
}

#[test]
fn r44_untagging_what_is_not_there_is_silent() {
    let account = Account::new();
    account.create("a");
    let tags = json!([{ "Key": "k", "Value": "1" }, { "Key": "K", "Value": "2" }]);
    account.ok("TagResource", json!({ "SecretId": "a", "Tags": tags }));
    account.ok("TagResource", json!({ "SecretId": "a", "Tags": [{ "Key": "k", "Value": "3" }] }));
    account.ok("UntagResource", json!({ "SecretId": "a", "TagKeys": ["K", "nothing"] }));
    let shown = account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    assert_eq!(shown["Tags"], json!([{ "Key": "k", "Value": "3" }]));
}

#[test]
fn r45_a_tag_change_that_locks_the_caller_out_is_refused() {
    let own = json!({ "StringEquals": { "secretsmanager:ResourceTag/tenant": "acme" } });
    let account = account(json!([{
        "Effect": "Allow", "Action": ["secretsmanager:TagResource", "secretsmanager:UntagResource"], "Resource": "*",
        "Condition": own,
    }]));
    create(&account, ADMIN, "a", json!([{ "Key": "tenant", "Value": "acme" }])).unwrap();
    let tag = |tag: Value| account.call_as(VAULT, "TagResource", json!({ "SecretId": "a", "Tags": [tag] }));
    tag(json!({ "Key": "more", "Value": "x" })).unwrap();
    assert_eq!(tag(json!({ "Key": "tenant", "Value": "other" })).unwrap_err().code, DENIED);
    let untagged = account.call_as(VAULT, "UntagResource", json!({ "SecretId": "a", "TagKeys": ["tenant"] }));
    assert_eq!(untagged.unwrap_err().code, DENIED);
    let shown = account.call_as(ADMIN, "DescribeSecret", json!({ "SecretId": "a" })).unwrap();
    assert_eq!(shown["Tags"].as_array().unwrap().len(), 2);
}

#[test]
fn r46_a_resource_policy_is_a_policy_of_20480_characters() {
    let account = Account::new();
    account.create("a");
    let put = |policy: &str, blocked: bool| {
        let body = json!({ "SecretId": "a", "ResourcePolicy": policy, "BlockPublicPolicy": blocked });
        account.call("PutResourcePolicy", body).map_err(|error| error.code.into_owned())
    };
    let statement = |principal: Value| {
        json!({ "Statement": [{
            "Effect": "Allow", "Principal": principal, "Action": "secretsmanager:*", "Resource": "*"
        }] })
        .to_string()
    };
    let public = statement(json!("*"));
    assert_eq!(put("", false).unwrap_err(), "ValidationException");
    assert_eq!(
        put(&format!("{public}{}", " ".repeat(20_481 - public.len())), false).unwrap_err(),
        "ValidationException"
    );
    put(&format!("{public}{}", " ".repeat(20_480 - public.len())), false).unwrap();
    for wrong in ["no JSON", "{}", r#"{ "Statement": [{ "Effect": "Maybe" }] }"#, r#"{ "Statement": [], "More": 1 }"#] {
        assert_eq!(put(wrong, false).unwrap_err(), "MalformedPolicyDocumentException", "{wrong}");
    }
    assert_eq!(put(&public, true).unwrap_err(), "PublicPolicyException");
    let narrow = statement(json!({ "AWS": "arn:aws:iam::123456789012:role/vault" }));
    put(&narrow, true).unwrap();
    assert_eq!(account.ok("GetResourcePolicy", json!({ "SecretId": "a" }))["ResourcePolicy"], narrow);
    account.ok("DeleteResourcePolicy", json!({ "SecretId": "a" }));
    assert_eq!(account.ok("GetResourcePolicy", json!({ "SecretId": "a" })).get("ResourcePolicy"), None);
}

#[test]
fn r46_a_resource_policy_grants_and_denies() {
    let account = account(json!([allow(json!("secretsmanager:DescribeSecret"), "*")]));
    create(&account, ADMIN, "a", json!([])).unwrap();
    let statement = |effect: &str, action: &str| {
        json!({ "Effect": effect, "Principal": { "AWS": "arn:aws:iam::123456789012:role/vault" },
            "Action": action, "Resource": "*" })
    };
    let statements = json!([
        statement("Allow", "secretsmanager:GetSecretValue"),
        statement("Deny", "secretsmanager:DescribeSecret")
    ]);
    let policy = json!({ "Statement": statements }).to_string();
    assert_eq!(get(&account, "a").unwrap_err(), DENIED);
    account.call_as(ADMIN, "PutResourcePolicy", json!({ "SecretId": "a", "ResourcePolicy": policy })).unwrap();
    get(&account, "a").unwrap();
    let refused = account.call_as(VAULT, "DescribeSecret", json!({ "SecretId": "a" })).unwrap_err();
    assert!(refused.message.ends_with("with an explicit deny in a resource-based policy"));
}

#[test]
fn r47_a_policy_that_cannot_be_evaluated_is_refused() {
    let condition = |operator: &str| {
        json!({ "Statement": [{
            "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": { operator: { "aws:SourceVpce": "x" } }
        }] })
        .to_string()
    };
    Policy::parse(&condition("StringEquals")).unwrap();
    assert!(Policy::parse(&condition("IpAddress")).unwrap_err().contains("IpAddress"));
    assert!(Policy::parse(r#"{ "Statement": [{ "Effect": "Allow", "Action": "*" }] }"#).is_err());
}

#[test]
fn r49_each_operator_decides_as_in_iam() {
    let tag = "secretsmanager:ResourceTag/tenant";
    // The operator, its value, and whether a secret of tenant `acme` and one without tenant may be read.
    let cases = [
        ("StringEquals", "acme", true, false),
        ("StringEquals", "ACME", false, false),
        ("StringEqualsIgnoreCase", "ACME", true, false),
        ("StringNotEquals", "acme", false, true),
        ("StringNotEquals", "other", true, true),
        ("StringEqualsIfExists", "other", false, true),
        ("StringLike", "ac*", true, false),
        ("StringLike", "ax*", false, false),
        ("StringNotLike", "ac*", false, true),
        ("ForAllValues:StringEquals", "other", false, true),
        ("ForAnyValue:StringEquals", "acme", true, false),
    ];
    for (operator, value, tagged, untagged) in cases {
        let statement = json!({
            "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
            "Condition": { operator: { tag: value } },
        });
        let account = account(json!([statement]));
        create(&account, ADMIN, "a", json!([{ "Key": "tenant", "Value": "acme" }])).unwrap();
        create(&account, ADMIN, "b", json!([])).unwrap();
        assert_eq!((get(&account, "a").is_ok(), get(&account, "b").is_ok()), (tagged, untagged), "{operator} {value}");
    }
}
