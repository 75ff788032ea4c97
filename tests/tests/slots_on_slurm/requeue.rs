//! Slurm starts a task again: it goes on where it was, under the next grant of its own segment.

use bandmaster_record::Cause;
use bandmaster_tests::{TestCluster, wait_for};

use crate::PATIENT;
use crate::world::{World, again};

/// Without a GraceTime a job is requeued and killed at once, and Slurm has no PreemptTime for it.
#[test]
fn a_requeued_task_goes_on_with_the_next_grant_of_its_segment() {
    let cluster = TestCluster::up(&["--no-accounting", "--hosts", "1", "--grace", "0", "--proctrack", "pgid"]).unwrap();
    let world = World::new(&cluster, PATIENT);
    let job = world.submit(&[]);
    world.waiting();
    world.make_way("n1");
    let end = world.closed(0).end();
    assert_eq!((end.cause, end.checkpointed), (Cause::Preempted, Some(2)), "{}", end.detail);
    assert!(end.detail.contains("Restarts=1"), "{}", end.detail);
    world.slot(1, "its start", |_| true);
    world.touch("go");
    world.offer(again());
    let slot = world.closed(1);
    assert_eq!((slot.end().attempt, slot.end().cause, slot.end().checkpointed), (again().attempt, Cause::Completed, Some(3)));
    assert_eq!(slot.why(), "its reserved segment was run under grant 2");
    assert_eq!(world.read("course"), "from 0\nfrom 2\n");
    assert_eq!(cluster.ended(&job).unwrap().0, "COMPLETED");
    // Once more: there is nothing left to do, and nothing to wait for.
    wait_for("a requeue", || cluster.on("login", &["scontrol", "requeue", &format!("{job}_0")]).unwrap().status.success().then_some(()))
        .unwrap();
    let slot = world.closed(2);
    assert_eq!((slot.ends().len(), slot.why().as_str()), (0, "its reserved segment is done"));
}
