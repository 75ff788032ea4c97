//! Real slots, agents and trials as jobs and steps of a real Slurm cluster.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may fail where they stand"
)]

mod crash;
mod ends;
mod requeue;
mod steps;
mod world;

/// Trains to 3, checkpoints and reports at each resource, resumes, and leaves when it is asked to; stays at resource 2
/// until `go` is there.
const PATIENT: &str = r#"
    at=0
    if [ -n "$BANDMASTER_RESUME_FROM" ]; then at=$(cat "$BANDMASTER_RESUME_FROM/model"); fi
    echo "from $at" >> course
    while [ $at -lt $BANDMASTER_TARGET ]; do
        while [ $at = 2 ] && [ ! -e go ] && [ ! -e "$BANDMASTER_STOP" ]; do [ -e waiting ] || echo $$ > waiting; sleep 0.05; done
        if [ -e "$BANDMASTER_STOP" ]; then cat "$BANDMASTER_STOP" >> asked; exit 0; fi
        at=$((at + 1))
        mkdir $BANDMASTER_CHECKPOINTS/tmp && echo $at > $BANDMASTER_CHECKPOINTS/tmp/model
        mv $BANDMASTER_CHECKPOINTS/tmp $BANDMASTER_CHECKPOINTS/$at.ready
        echo "{\"resource\": $at, \"loss\": 0.$at}" >> $BANDMASTER_REPORT
        until [ -e $BANDMASTER_CHECKPOINTS/$at.published ]; do sleep 0.01; done
    done"#;
