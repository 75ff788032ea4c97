//! An agent that is a step: what passes through srun, and what signals and deaths do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use bandmaster_record::{Cause, Param, SlotRecord};
use bandmaster_tests::{TestCluster, wait_for};

use crate::PATIENT;
use crate::world::{World, segment};

#[test]
fn a_step_carries_an_agent_as_a_child_process_would() {
    let cluster = TestCluster::up(&["--no-accounting", "--hosts", "4", "--memory", "poll"]).unwrap();
    std::thread::scope(|scope| {
        let cases: [fn(&TestCluster); 5] = [bursts_and_long_lines, a_storm_of_signals, a_killed_slot, a_tick_is_waited_for, polled_memory];
        for case in cases {
            let cluster = &cluster;
            scope.spawn(move || case(cluster));
        }
    });
}

/// Where cgroups keep the limit, the kernel kills the trial alone.
#[test]
fn memory_that_a_cgroup_keeps_is_named_as_the_cause() {
    match TestCluster::up(&["--no-accounting", "--hosts", "1", "--memory", "cgroup", "--proctrack", "cgroup"]) {
        Ok(cluster) => drop(out_of_memory(&cluster)),
        Err(error) => {
            // Slurm needs those of v1, which not every machine has.
            let told = error.to_string();
            assert!(told.contains("exit status: 12") && told.contains("of cgroup v1, which this machine does not have"), "{told}");
            println!("needs memory control groups: not run");
        }
    }
}

/// Where slurmd looks now and then, it kills the step, with the agent in it.
fn polled_memory(cluster: &TestCluster) {
    let detail = out_of_memory(cluster);
    assert!(detail.contains("exceeded memory limit"), "{detail}");
}

fn out_of_memory(cluster: &TestCluster) -> String {
    let world = World::new(cluster, r#"exec python3 -c "x = bytearray(900 << 20); import time; time.sleep(60)""#);
    world.submit(&["--mem=500"]);
    let end = world.closed(0).end();
    assert_eq!(end.cause, Cause::OutOfMemory, "{}", end.detail);
    end.detail
}

fn bursts_and_long_lines(cluster: &TestCluster) {
    let script = r#"
        wc -c < $BANDMASTER_PARAMS > params
        echo "cpus $SLURM_CPUS_PER_TASK job $SLURM_JOB_ID array $SLURM_ARRAY_TASK_ID gpus $CUDA_VISIBLE_DEVICES" > env
        awk 'BEGIN { for (i = 0; i < 20000; i++) print "{\"resource\": 1, \"loss\": " i "}" }' >> $BANDMASTER_REPORT
        awk 'BEGIN { printf "{\"resource\": 3, \"loss\": 0.5"; for (i = 0; i < 9000; i++) printf ", \"metric-%d\": %d", i, i; print "}" }' >> $BANDMASTER_REPORT
    "#;
    let mut world = World::new(cluster, script);
    let mut long = segment();
    long.params.insert("text".to_owned(), Param::Text("x".repeat(300_000)));
    world.array.reserved = vec![long];
    // A limit a core in the job's environment would exclude the step's.
    let job = world.submit(&["--gpus-per-node=2", "--mem-per-cpu=250"]);
    let slot = world.closed(0);
    assert_eq!((slot.end().cause, slot.end().result.map(|value| value.0)), (Cause::Completed, Some(0.5)), "{}", slot.end().detail);
    let values = slot.records.iter().filter_map(|record| match record {
        SlotRecord::Report { metrics, .. } => Some((metrics["loss"].0, metrics.len())),
        _ => None,
    });
    let expected = (0..20_000).map(|i| (f64::from(i), 1)).chain([(0.5, 9001)]);
    assert!(values.eq(expected), "{} records", slot.records.len());
    assert!(world.read("params").trim().parse::<u64>().unwrap() > 300_000);
    assert_eq!(world.read("env"), format!("cpus 2 job {} array 0 gpus 0,1\n", job));
}

/// TERM, USR1, USR2, HUP and CONT to everything of ours, and USR2 from Slurm to the whole tree: there is one stop, and the
/// trial gets the one signal that its sweep wants, once.
fn a_storm_of_signals(cluster: &TestCluster) {
    let script = r#"exec python3 -c "
import os, signal, time
got = open('got', 'a', buffering=1)
signal.signal(signal.SIGUSR1, lambda number, frame: got.write('usr1\n'))
open('waiting', 'w').write(f'{os.getpid()}\n')
while not os.path.exists('leave'): time.sleep(0.02)
""#;
    let mut world = World::new(cluster, script);
    world.array.trial.stop_signal = Some("USR1".to_owned());
    let job = world.submit(&[]);
    let trial = world.waiting();
    let host = cluster.field(&job, "NodeList").unwrap();
    let slot = world.slots()[0].pid().to_string();
    let storm = format!(
        "agent=$(ps -o ppid= -p {trial}); for round in 1 2 3 4 5 6 7 8 9 10; do for signal in USR2 HUP CONT TERM USR1 CONT INT; do \
         kill -s $signal {slot} $agent; done; scancel --signal=USR2 --full {job}; sleep 0.1; done"
    );
    assert!(cluster.on(&host, &["bash", "-c", &storm]).unwrap().status.success());
    wait_for("the stop signal", || (!world.read("got").is_empty()).then_some(())).unwrap();
    world.touch("leave");
    let end = world.closed(0).end();
    assert_eq!(world.read("got"), "usr1\n");
    assert!(matches!(end.cause, Cause::Stopped | Cause::Cancelled), "{:?} {}", end.cause, end.detail);
    assert_eq!(cluster.ended(&job).unwrap().1, "85:0");
}

fn a_killed_slot(cluster: &TestCluster) {
    let world = World::new(cluster, PATIENT);
    let job = world.submit(&["--no-requeue"]);
    let trial = world.waiting();
    let host = cluster.field(&job, "NodeList").unwrap();
    assert!(cluster.on(&host, &["kill", "-9", &world.slots()[0].pid().to_string()]).unwrap().status.success());
    wait_for("the trial's end", || (!cluster.on(&host, &["kill", "-0", &trial]).unwrap().status.success()).then_some(())).unwrap();
    assert_eq!(cluster.ended(&job).unwrap(), ("FAILED".to_owned(), "0:9".to_owned()));
    assert!(world.slots()[0].ends().is_empty());
}

/// With the batch process all would be killed that it has started.
fn a_tick_is_waited_for(cluster: &TestCluster) {
    let mut world = World::new(cluster, "echo '{\"resource\": 3, \"loss\": 1}' >> $BANDMASTER_REPORT");
    let searcher = world.work("searcher");
    fs::write(&searcher, format!("#!/bin/sh\nsleep 1\necho $1 >> {}\nexit 7\n", world.work("ticked").display())).unwrap();
    fs::set_permissions(&searcher, fs::Permissions::from_mode(0o755)).unwrap();
    world.array.searcher = Some(searcher.display().to_string());
    let job = world.submit(&[]);
    assert_eq!(cluster.ended(&job).unwrap().0, "COMPLETED");
    assert_eq!(world.read("ticked"), "tick\n");
    // A site may let no node submit: that is no matter of the slot.
    assert!(fs::read_to_string(world.log()).unwrap().contains("the tick that it started ended with exit status: 7"));
}
