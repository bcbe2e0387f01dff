//! Which host is asked: what every program of the SDK's goes by counts here, too.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use crate::scene::{Scene, feed};

/// Runs a command that is led to no endpoint, behind a proxy that lets nothing out. Answers whom it asked to be led to, which is
/// what the error names.
fn asked(mut command: Command) -> String {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    command.env_remove("AWS_ENDPOINT_URL").env("HTTPS_PROXY", format!("http://{}", proxy.local_addr().unwrap()));
    let (tell, told) = channel();
    thread::spawn(move || {
        for connection in proxy.incoming() {
            let mut line = String::new();
            BufReader::new(connection.unwrap()).read_line(&mut line).unwrap();
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let run = feed(command, "");
    let line = told.try_recv().unwrap();
    let asked = line.split(' ').nth(1).unwrap().to_owned();
    let host = format!("asked: https://{}, Region ", asked.strip_suffix(":443").unwrap());
    run.assert_refused(4, &["AWS could not be reached", &host, "check the Region, the endpoint and the network"]);
    asked
}

#[test]
fn hosts_of_fips_and_dual_stack_are_asked_where_the_environment_or_the_profile_says_so() {
    let scene = Scene::bare();
    let list = |variables: &[(&str, &str)]| {
        let mut command = scene.command(&["list"]);
        command.envs(variables.iter().copied());
        asked(command)
    };
    assert_eq!(list(&[]), "secretsmanager.us-east-1.amazonaws.com:443");
    let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
    assert_eq!(list(&[fips]), "secretsmanager-fips.us-east-1.amazonaws.com:443");
    // In most Regions one host is for both, so that dual stack does not show.
    let (china, dual_stack) = (("AWS_REGION", "cn-north-1"), ("AWS_USE_DUALSTACK_ENDPOINT", "true"));
    assert_eq!(list(&[china, fips]), "secretsmanager-fips.cn-north-1.amazonaws.com.cn:443");
    assert_eq!(list(&[china, fips, dual_stack]), "secretsmanager-fips.cn-north-1.api.amazonwebservices.com.cn:443");

    let file = scene.path("config");
    std::fs::write(&file, "[profile gov]\nregion = us-west-2\nuse_fips_endpoint = true\n").unwrap();
    let mut command = scene.command(&["list"]);
    command.env_remove("AWS_REGION").env("AWS_CONFIG_FILE", file).env("AWS_PROFILE", "gov");
    assert_eq!(asked(command), "secretsmanager-fips.us-west-2.amazonaws.com:443");
}

#[test]
fn a_region_that_there_is_not_is_asked_for_its_host_and_named() {
    let scene = Scene::bare();
    let mut command = scene.command(&["list"]);
    command.env("AWS_REGION", "eu-wst-1");
    assert_eq!(asked(command), "secretsmanager.eu-wst-1.amazonaws.com:443");
    // Of what can be no part of a host's name nothing is asked.
    let mut command = scene.command(&["list"]);
    command.env_remove("AWS_ENDPOINT_URL").env("AWS_REGION", "eu west 1");
    feed(command, "").assert_refused(6, &["Region eu west 1", "check the Region, the endpoint and the prefix"]);
}

#[test]
fn an_endpoint_of_secrets_managers_own_counts_before_that_of_all_services() {
    let scene = Scene::new();
    let mut command = scene.command(&["list"]);
    command.env("AWS_ENDPOINT_URL_SECRETS_MANAGER", scene.service.endpoint());
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    assert_eq!(feed(command, "").stdout, "no tokens\n");
}
