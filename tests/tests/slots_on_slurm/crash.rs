//! A slot that dies where it asks Slurm, or where it starts a step: nothing is lost, nothing stays.

use bandmaster_record::{ArrayNo, Cause};
use bandmaster_tests::{TestCluster, wait_for};

use crate::PATIENT;
use crate::world::{World, again};

#[test]
fn whatever_is_killed_wherever_the_next_slot_goes_on() {
    let cluster = TestCluster::up(&["--no-accounting", "--hosts", "4"]).unwrap();
    std::thread::scope(|scope| {
        for point in ["launch.ask.spawn", "launch.ask.spawned", "launch.agent.spawn", "launch.agent.spawned"] {
            let cluster = &cluster;
            scope.spawn(move || dies_at_its_start(cluster, point));
        }
        for point in ["launch.ask.spawn", "launch.ask.spawned"] {
            let cluster = &cluster;
            scope.spawn(move || dies_when_it_is_told_to_stop(cluster, point));
        }
    });
}

fn dies_at_its_start(cluster: &TestCluster, point: &str) {
    let world = World::new(cluster, PATIENT).with_crash_points();
    let job = world.submit(&["--no-requeue", &format!("--export=ALL,FAILPOINTS={point}=return")]);
    assert_eq!(cluster.ended(&job).unwrap(), ("FAILED".to_owned(), "0:9".to_owned()), "{point}");
    goes_on(world, "from 0\n");
}

/// The first time it asks is for its time limit.
fn dies_when_it_is_told_to_stop(cluster: &TestCluster, point: &str) {
    let world = World::new(cluster, PATIENT).with_crash_points();
    let job = world.submit(&["--no-requeue", &format!("--export=ALL,FAILPOINTS={point}=1*off->return")]);
    let trial = world.waiting();
    let host = cluster.field(&job, "NodeList").unwrap();
    cluster.ask(&["scancel", "--batch", "--signal=USR2", &format!("{job}_0")]).unwrap();
    assert_eq!(cluster.ended(&job).unwrap(), ("FAILED".to_owned(), "0:9".to_owned()), "{point}");
    wait_for("the trial's end", || (!cluster.on(&host, &["kill", "-0", &trial]).unwrap().status.success()).then_some(())).unwrap();
    goes_on(world, "from 0\nfrom 2\n");
}

/// What the searcher does when it has seen that the task is over.
fn goes_on(mut world: World<'_>, course: &str) {
    world.touch("go");
    world.array.array = ArrayNo(2);
    world.array.reserved = vec![again()];
    let job = world.submit(&[]);
    let end = world.closed(1).end();
    assert_eq!((end.cause, end.checkpointed, world.read("course").as_str()), (Cause::Completed, Some(3), course));
    assert_eq!(world.cluster.ended(&job).unwrap().0, "COMPLETED");
}
