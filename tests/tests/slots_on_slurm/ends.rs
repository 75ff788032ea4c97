//! Slurm ends a job, for each of its reasons: the attempt says which.

use std::fs;

use bandmaster_record::{Cause, Seconds};
use bandmaster_tests::{TestCluster, wait_for};

use crate::PATIENT;
use crate::world::World;

#[test]
fn an_attempt_says_why_slurm_ended_it() {
    let cluster = TestCluster::up(&["--no-accounting", "--hosts", "4", "--grace", "3"]).unwrap();
    std::thread::scope(|scope| {
        let cases: [fn(&TestCluster); 5] = [scancel, usr2, time_limit, too_late, killed_agent];
        for case in cases {
            let cluster = &cluster;
            scope.spawn(move || case(cluster));
        }
    });
    // These disturb the others: one takes a whole node, one the controller.
    preempted(&cluster);
    silent(&cluster);
}

/// Within GraceTime the steps are told at once, the batch process is not.
fn preempted(cluster: &TestCluster) {
    let mut world = World::new(cluster, PATIENT);
    world.array.searcher = Some("/bin/false".to_owned());
    let job = world.submit(&["-w", "n1"]);
    world.waiting();
    world.make_way("n1");
    let slot = world.closed(0);
    let end = slot.end();
    assert_eq!((end.cause, end.checkpointed), (Cause::Preempted, Some(2)), "{}", end.detail);
    assert!(end.detail.contains("PreemptTime="), "{}", end.detail);
    // KillWait 5 and, where Slurm tells the job's end, GraceTime 3, less what is kept.
    let asked: serde_json::Value = serde_json::from_str(&world.read("asked")).unwrap();
    assert!(asked["reason"] == "preempted" && asked["grace"].as_f64().is_some_and(|grace| grace > 0.0 && grace <= 6.0), "{asked}");
    // The node is free as soon as the slot has left; Slurm requeues only those that stay until it kills them.
    assert_eq!(cluster.ended(&job).unwrap(), ("FAILED".to_owned(), "85:0".to_owned()));
    // There is no time for a tick.
    assert!(!fs::read_to_string(world.log()).unwrap().contains("tick"));
}

/// A slot that is told to stop while Slurm does not answer stops.
fn silent(cluster: &TestCluster) {
    let world = World::new(cluster, PATIENT);
    let job = world.submit(&["-w", "n2"]);
    world.waiting();
    cluster.fault(&["ctld", "stop"]).unwrap();
    assert!(cluster.on("n2", &["kill", "-s", "TERM", &world.slots()[0].pid().to_string()]).unwrap().status.success());
    // Slurm does not come back before all of it has ended.
    let end = world.closed(0).end();
    assert_eq!((end.cause, end.checkpointed), (Cause::Stopped, Some(2)), "{}", end.detail);
    assert!(world.read("asked").contains("\"asked\""), "{}", world.read("asked"));
    cluster.fault(&["ctld", "start"]).unwrap();
    assert_eq!(cluster.ended(&job).unwrap(), ("FAILED".to_owned(), "85:0".to_owned()));
}

fn scancel(cluster: &TestCluster) {
    let world = World::new(cluster, PATIENT);
    let job = world.submit(&[]);
    world.waiting();
    cluster.ask(&["scancel", &job]).unwrap();
    let end = world.closed(0).end();
    assert_eq!((end.cause, end.checkpointed), (Cause::Cancelled, Some(2)), "{}", end.detail);
    assert!(world.read("asked").contains("\"cancelled\""), "{}", world.read("asked"));
    assert_eq!(cluster.ended(&job).unwrap().0, "CANCELLED");
}

/// How the searcher asks for a pause.
fn usr2(cluster: &TestCluster) {
    let world = World::new(cluster, PATIENT);
    let job = world.submit(&[]);
    world.waiting();
    cluster.ask(&["scancel", "--batch", "--signal=USR2", &format!("{job}_0")]).unwrap();
    let end = world.closed(0).end();
    assert_eq!((end.cause, end.checkpointed), (Cause::Stopped, Some(2)), "{}", end.detail);
    assert!(world.read("asked").contains("\"asked\""), "{}", world.read("asked"));
    assert_eq!(cluster.ended(&job).unwrap(), ("FAILED".to_owned(), "85:0".to_owned()));
}

/// The slot is before Slurm: of the two minutes it keeps the grace and the margin. The rest is enough to come to 2, however
/// busy the machine is.
fn time_limit(cluster: &TestCluster) {
    let mut world = World::new(cluster, PATIENT);
    world.array.trial.stop_grace = Seconds(40.0);
    let job = world.submit(&["--time=2"]);
    world.waiting();
    let end = world.closed(0).end();
    assert_eq!((end.cause, end.checkpointed), (Cause::TimeLimit, Some(2)), "{}", end.detail);
    assert!(world.read("asked").contains("\"time_limit\""), "{}", world.read("asked"));
    // And not TIMEOUT.
    assert_eq!(cluster.ended(&job).unwrap().0, "COMPLETED");
}

fn too_late(cluster: &TestCluster) {
    let mut world = World::new(cluster, PATIENT);
    world.array.trial.stop_grace = Seconds(50.0);
    let job = world.submit(&["--time=1"]);
    let slot = world.closed(0);
    assert!(slot.ends().is_empty() && slot.why().starts_with("too little of the job's time"), "{}", slot.why());
    assert_eq!(cluster.ended(&job).unwrap().0, "COMPLETED");
}

/// Slurm says nothing of it, and nothing of the trial stays.
fn killed_agent(cluster: &TestCluster) {
    let world = World::new(cluster, PATIENT);
    let job = world.submit(&[]);
    let trial = world.waiting();
    let host = cluster.field(&job, "NodeList").unwrap();
    let agent = String::from_utf8(cluster.on(&host, &["ps", "-o", "ppid=", "-p", &trial]).unwrap().stdout).unwrap();
    assert!(cluster.on(&host, &["kill", "-9", agent.trim()]).unwrap().status.success());
    let end = world.closed(0).end();
    assert_eq!((end.cause, end.checkpointed), (Cause::Lost, Some(2)), "{}", end.detail);
    assert!(end.detail.contains("SIGKILL (9)") && end.detail.contains("JobState=RUNNING"), "{}", end.detail);
    wait_for("the trial's end", || (!cluster.on(&host, &["kill", "-0", &trial]).unwrap().status.success()).then_some(())).unwrap();
    assert_eq!(cluster.ended(&job).unwrap().0, "COMPLETED");
}
