//! Attacks on the daemon's memory by messages that begin and never end.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use bytes::Bytes;
use h2::client::SendRequest;
use smaragdine_core::wire::v1::{DescribeRequest, StartRequest, StopRequest};
use tonic::codegen::http::{Request, Version};

/// A connection that speaks HTTP/2 without gRPC's manners, with a task of its own.
async fn connect(socket: &Path) -> SendRequest<Bytes> {
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

/// Sends `length` bytes of a message that claims to have `claimed`, in frames of `piece`, and then nothing.
async fn begin(client: SendRequest<Bytes>, claimed: u32, length: usize, piece: usize) {
    let Ok(mut client) = client.ready().await else { return };
    let request = Request::post("http://localhost/smaragdine.v1.Accountant/Record").version(Version::HTTP_2);
    let request = request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap();
    let Ok((_answer, mut stream)) = client.send_request(request, false) else { return };
    let mut left = [&[0][..], &claimed.to_be_bytes(), &vec![0x0a; length]].concat();
    while !left.is_empty() {
        stream.reserve_capacity(left.len().min(piece));
        match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
            Some(Ok(granted)) => {
                let now = left.drain(..granted.min(piece).min(left.len())).collect::<Vec<_>>();
                if stream.send_data(now.into(), false).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
    std::future::pending::<()>().await;
}

fn resident_mib(daemon: &Daemon) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Attacks with `connections` of `streams` each; returns how much the daemon grew at most, in MiB.
async fn attacked(connections: usize, streams: usize, claimed: u32, length: usize, piece: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), &dir.path().join("nothing"));
    let mut victim = daemon.client().await;
    victim.describe(DescribeRequest {}).await.unwrap();
    let before = resident_mib(&daemon);
    for _ in 0..connections {
        let client = connect(&daemon.socket).await;
        for _ in 0..streams {
            tokio::spawn(begin(client.clone(), claimed, length, piece));
        }
    }
    let (start, mut most) = (Instant::now(), 0.0_f64);
    while start.elapsed() < Duration::from_secs(4) {
        most = most.max(resident_mib(&daemon) - before);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    let started = victim.start(StartRequest::default()).await.unwrap().into_inner();
    victim.stop(StopRequest { recording: started.recording }).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "started and stopped within {:?}", begun.elapsed());
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn three_connections_of_unfinished_messages_take_no_more_than_a_user_s_room() {
    let most = attacked(3, 128, 4 << 20, (4 << 20) - 1, 16 << 10).await;
    assert!(most < 150.0, "{most} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_only_claim_to_be_long_take_no_more_either() {
    let most = attacked(20, 32, 4 << 20, 64, 16 << 10).await;
    assert!(most < 150.0, "{most} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_those_that_come_byte_by_byte() {
    let most = attacked(4, 32, 4 << 20, 48 << 10, 1).await;
    assert!(most < 200.0, "{most} MiB");
}
