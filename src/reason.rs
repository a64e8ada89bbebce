//! Reasons: the single words by which programs, and people in the manual, find what happened. Each stands here once; the
//! troubleshooting page has a part for every one of them.

/// An enumeration of reasons whose names are the words.
macro_rules! reasons {
    ($(#[$about:meta])* $name:ident { $($(#[$of_one:meta])* $reason:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$of_one])* $reason,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$reason,)+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$reason => stringify!($reason),)+ }
            }
        }

        impl From<$name> for String {
            fn from(reason: $name) -> Self {
                reason.as_str().to_owned()
            }
        }
    };
}

reasons! {
    /// Why a run ended before its verdict: `status.reason` of its report, and the reason of its condition `Succeeded`. The
    /// finding about it has the same.
    RunReason {
        /// The backup, or any that would do, is not there.
        BackupNotFound,
        /// The backup is not one that can be restored.
        BackupNotUsable,
        /// Velero has not finished the backup.
        BackupNotFinished,
        /// The newest backup is older than `maxAge`.
        BackupTooOld,
        /// The backup holds nothing of a namespace of the test.
        NamespaceNotInBackup,
        /// The backup went before it was restored.
        BackupDeleted,
        /// A volume would come back on the storage that production uses.
        ProductionVolume,
        /// The API server refused a sandbox for good.
        SandboxRefused,
        /// The API server refused a Restore for good.
        RestoreRefused,
        /// Somebody deleted a sandbox.
        SandboxDeleted,
        /// Somebody deleted a Restore.
        RestoreDeleted,
        /// A sandbox could not be watched.
        SandboxNotSeen,
        /// Velero waits for a pod that never starts.
        CannotStart,
        /// The restore brought what the plan did not have, or something in a sandbox is not harmless.
        Escape,
        /// The timeout of the run passed.
        TimedOut,
        /// The TTL of the sandbox passed.
        SandboxExpired,
        /// The report was deleted.
        Deleted,
        /// The spec that the run was made with cannot be read.
        InvalidSpec,
        /// Somebody wrote a phase to which the run had not come.
        PhaseChanged,
    }
}

reasons! {
    /// What a finding is about, beside the reasons of runs that ended early.
    FindingReason {
        /// The backup is itself `PartiallyFailed`.
        PartialBackup,
        /// The Restore failed as a whole.
        RestoreFailed,
        /// Velero reports an error.
        RestoreError,
        /// The backup holds no data of a volume.
        VolumeWithoutData,
        /// The backup leaves the data of a volume out on purpose.
        VolumeLeftOut,
        /// The data of a volume did not arrive.
        VolumeDataLost,
        /// The data of a volume comes through a pod that the test does not restore.
        VolumeNotFilled,
        /// Something has a label by which what belongs to Jobs is not restored.
        LeftOutWithJobs,
        /// An object of the backup is not in the sandbox.
        ObjectNotRestored,
        /// An object of the source is not in the backup.
        ObjectNotInBackup,
        /// What the source holds could not be listed.
        SourceNotListed,
        /// Kinds of other products were not looked through.
        KindsNotListed,
        /// Nothing of a namespace came back.
        NothingRestored,
        /// Something that the verdict rests on could not be read.
        NotRead,
        /// The objects of a sandbox could not be listed.
        SandboxNotListed,
        /// A workload is not ready.
        WorkloadNotReady,
        /// A workload was restored and is gone.
        WorkloadGone,
        /// A workload restarted before it stayed up.
        WorkloadRestarted,
        /// The policy with the checks does not exist.
        PolicyMissing,
        /// A check failed.
        CheckFailed,
        /// A workload needs another namespace, which the test does not restore.
        DependencyNotTested,
        /// Recovery took longer than agreed.
        RTOExceeded,
        /// Something got worse since the run before.
        Regressed,
        /// The restore was disturbed from outside, and is made again.
        RestoreDisturbed,
        /// Logs and events could not be read.
        LogsNotRead,
        /// Parts of the report were left out.
        ReportCut,
        /// A finalizer of another product was taken off.
        FinalizerRemoved,
        /// Something keeps a sandbox from going.
        CleanupBlocked,
        /// Something is there after cleanup.
        LeftBehind,
    }
}

reasons! {
    /// Reasons of conditions, beside those of runs that ended early and the phases of runs.
    ConditionReason {
        /// `Ready`: the spec is valid.
        Valid,
        /// `Ready`, `Scheduled`: it is not.
        InvalidSpec,
        /// `Scheduled`: there is a next run.
        Planned,
        /// `Scheduled`: there is none on purpose.
        Suspended,
        /// `Scheduled`: there is none by its cron expression.
        NeverDue,
        /// `Succeeded`: there is no verdict yet.
        Running,
        /// `Succeeded`: the result.
        Pass,
        /// `Succeeded`: the result.
        Partial,
        /// `Succeeded`: the result.
        Fail,
        /// `Succeeded`, `Regressed`: the result.
        Inconclusive,
        /// `Regressed`: it is not worse.
        AsBefore,
        /// `Regressed`: it is.
        Worse,
        /// `RTOExceeded`: it is not.
        WithinSLA,
        /// `RTOExceeded`: it is.
        Exceeded,
        /// `Notified`: messages are on their way.
        Sending,
        /// `Notified`: all have arrived.
        Delivered,
        /// `Notified`: one could not be sent, and will be again.
        Retrying,
        /// `Notified`: one will not be sent any more.
        GaveUp,
    }
}

reasons! {
    /// Reasons of Events, beside the phases of runs and those about licenses.
    EventReason {
        /// A run of the test began.
        RunStarted,
        /// A trigger was refused: a run goes on.
        TriggerRefused,
        /// The spec of the test is not valid.
        InvalidSpec,
        /// Something was found.
        Finding,
        /// There is a verdict.
        Judged,
        /// A receiver was told.
        Notified,
        /// A receiver could not be told, and will be.
        NotificationDelayed,
        /// A receiver was not told.
        NotificationFailed,
        /// A certificate of the webhooks ends soon, and is not renewed.
        CertificateExpires,
        /// The license ends soon.
        LicenseEnds,
    }
}

reasons! {
    /// Why the Community tier applies: in the API, in logs, and for most of them in Events.
    LicenseReason {
        /// The Secret has not been read yet.
        LicenseNotRead,
        /// The Secret may not or cannot be read.
        LicenseUnreadable,
        /// There is no Secret.
        NoLicense,
        /// The Secret lacks something.
        LicenseIncomplete,
        /// It is for the Community tier.
        CommunityLicense,
        /// There is nothing to verify it with.
        LicenseNotVerifiable,
        /// Its key is not for its tier and day.
        LicenseInvalid,
        /// Its day has passed.
        LicenseExpired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_word() {
        assert_eq!(RunReason::TimedOut.as_str(), "TimedOut");
        assert_eq!(String::from(FindingReason::RTOExceeded), "RTOExceeded");
        assert_eq!(RunReason::ALL.len(), 19);
    }
}
