// Every queue, body, cache, retry and timeout of bramble, with its unit and the reason, sized for a board with 1 GB
// (and kept workable at 512 MB). Grouped by room. A number that limits belongs here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bramble::limits {

// json: upstream refuses request bodies over 3 MiB; nesting of JSON in Go stops at 10000, ours far earlier.
constexpr size_t kBodyBytesMax = 3 * 1024 * 1024;
constexpr size_t kJsonDepthMax = 256;
constexpr size_t kYamlExpandedBytesMax = 2 * kBodyBytesMax; // of one YAML document as JSON, aliases expanded (alias bombs)
constexpr size_t kObjectDepthMax = kJsonDepthMax - 16;     // of one object: lists, watch events and Tables nest it deeper
constexpr size_t kJsonPatchOperationsMax = 10000;          // upstream's figure
constexpr size_t kJsonPatchCopiedBytesMax = 2 * kBodyBytesMax;  // of "copy" operations together (copies that double)
constexpr size_t kJsonPatchWalkMax = 4 * 1000 * 1000;      // members passed while finding paths: 0.1 s on a Pi 4
constexpr int64_t kQuantityExponentMax = 100 * 1000;       // "1e100000"; upstream takes any, and burns the CPU for it
constexpr size_t kObjectsInObjectMax = 50 * 1000;          // "{}" in a list grows a hundredfold by its defaults
constexpr size_t kFieldErrorsMax = 1000;                   // told of one object: a list of a million bad items would fill the memory
constexpr size_t kWarningsCharsMax = 4 * 1024;             // upstream's figures: beyond so much text of warnings each is cut to
constexpr size_t kWarningCharsMax = 256;                   // this, and beyond as much of cut ones no more are sent
constexpr size_t kStrictErrorsMax = 100;                   // unknown and duplicate fields told of one object

// the heap
constexpr int kHeapMapBytes = 128 * 1024;                  // larger blocks are mapped, and gone when freed
constexpr int kHeapTrimBytes = 256 * 1024;                 // free at the heap's end; then it shrinks

// loop
constexpr int64_t kLoopStepUs = 5000;                      // a longer one is counted as an overrun: DESIGN section 5, for a Pi 4
constexpr size_t kOffloadThreadsMin = 2;                   // of the short lane: one slow job does not stop a board with one core
constexpr size_t kOffloadThreadsMax = 4;
constexpr size_t kOffloadLongThreads = 1;                  // long jobs would only fight over the card
constexpr size_t kOffloadJobsMax = 256;                    // of one loop in one lane, waiting or running; beyond: callers wait
constexpr int64_t kOffloadIdleMs = 10 * 1000;              // then a worker thread ends and gives its stack back
constexpr size_t kOffloadStackBytes = 512 * 1024;
constexpr size_t kProcessOutputBytesMax = 1024 * 1024;     // of each of stdout and stderr
constexpr int kListenBacklog = 512;
constexpr int64_t kAcceptPauseMs = 100;                    // after "too many open files"
constexpr size_t kDatagramBytesMax = 8192;                 // DNS over UDP asks for 4096 at most

constexpr int64_t kResolveTryMs = 3000;                    // of a name, for one name server's answer; doubled at each round
constexpr int kResolveTries = 2;
constexpr int64_t kResolveMs = 20 * 1000;                  // of a name, altogether
constexpr size_t kOffloadLayerThreads = 3;                 // layers that are unpacked while they come (containerd's figure)

// crypto
constexpr uint32_t kTlsTicketLifetimeS = 12 * 3600;

// http
constexpr size_t kHeaderBytesMax = 64 * 1024;
constexpr size_t kMethodBytesMax = 32;             // UPDATEREDIRECTREF, the longest registered, has 17
constexpr size_t kConnectionsMax = 1024;
constexpr size_t kTrimConnections = 32;            // at least so many gone, and half of them: their memory goes back
constexpr int64_t kTrimDelayMs = 1000;             // once what they were served with is freed too
constexpr size_t kStreamsPerConnectionMax = 250;
constexpr size_t kStreamsUnknownMax = 16;          // the same until a request on the connection was authenticated
constexpr size_t kReceivedBytesMax = 32 * 1024 * 1024;        // heads and bodies of a server's requests together; beyond: 429
constexpr size_t kReceivedBytesUnknownMax = 8 * 1024 * 1024;  // of them, those of peers that nobody knows
constexpr size_t kSendAheadBytesMax = 64 * 1024;  // handed out ahead of a slow reader
constexpr size_t kReceiveChunkBytes = 16 * 1024;   // one read of a connection thread: a TLS record
constexpr size_t kPipelinedBytesMax = 64 * 1024;   // read ahead of an answer on HTTP/1.1; then the peer waits
constexpr uint32_t kHttp2StreamWindowBytes = 256 * 1024;
constexpr int32_t kHttp2ConnectionWindowBytes = 25 * 1024 * 1024;
constexpr size_t kWebSocketMessageBytesMax = 1024 * 1024;
constexpr size_t kWebSocketUnreadBytesMax = 256 * 1024;  // received and not yet taken by the handler; then the peer waits
constexpr int64_t kTlsHandshakeMs = 10 * 1000;
constexpr int64_t kRequestHeadMs = 32 * 1000;      // upstream's ReadHeaderTimeout
constexpr int64_t kRequestBodyMs = 60 * 1000;
constexpr int64_t kIdleConnectionMs = 90 * 1000;   // upstream's IdleTimeout
constexpr int64_t kLingerMs = 2 * 1000;            // reading on after a refusal, so that the peer gets to see it
constexpr int64_t kWebSocketCloseMs = 5 * 1000;    // for the peer's half of the closing handshake
constexpr int kKeepAliveIdleS = 60, kKeepAliveIntervalS = 15, kKeepAliveProbes = 4;  // a peer that vanished: two minutes
constexpr unsigned kTcpUserTimeoutMs = 120 * 1000;
constexpr int64_t kConnectMs = 10 * 1000;
constexpr size_t kResponseBytesMax = 64 * 1024 * 1024;  // that a client takes whole

// store
constexpr size_t kStoreQueueMax = 4096;           // writes waiting for the disk; beyond: 429
constexpr uint64_t kRevisionBlock = 1000;         // revisions reserved on disk at once, so that none is used twice
constexpr uint64_t kRevisionJumpRepair = 1000 * 1000;      // after a repair or a restore: far beyond anything handed out
constexpr size_t kStoreQueueBytesMax = 32 * 1024 * 1024;   // of values waiting for the disk; beyond: 429
constexpr size_t kStoreGroupMax = 512;                     // writes that share one fsync
constexpr size_t kStoreGroupBytesMax = 4 * 1024 * 1024;    // of values in one group; a larger single value goes alone
constexpr int kStoreWalPagesMax = 512;                     // 2 MB of log, then its pages are copied into the database
constexpr int64_t kStoreCacheKiB = 256;                    // SQLite's pages in memory: only writes need them
constexpr int64_t kVolatileRideUsMax = 10 * 60 * 1000000LL;  // older volatile writes ride with the next durable group
constexpr int64_t kVolatileFlushMs = 30 * 60 * 1000;       // an idle server writes them this often (some 100 kB/hour)
constexpr size_t kVolatileBytesMax = 4 * 1024 * 1024;      // of volatile values not on disk; beyond: written at once
constexpr int kBackupPagesPerStep = 64;                    // copied between two groups, so that writes wait for 256 kB at most
constexpr int64_t kDiskRetryMs = 10 * 1000;                 // between tries to write while the disk is full or read-only
constexpr int kUnreadableStarts = 3;                       // in a row over a block that the disk cannot read; then it is lost
constexpr size_t kSetAsideKept = 5;                          // damaged or replaced files, of each kind
constexpr int kBackupsKept = 5;
constexpr int kBackupsKeptMax = 1000;
constexpr int64_t kBackupEveryUs = 12 * 3600 * 1000000LL;    // of running; k3s's figures for its etcd
constexpr int64_t kBackupHoursMax = 10 * 366 * 24;
constexpr int64_t kBackupSettleUs = 10 * 60 * 1000000LL;     // after a start, before the first
constexpr int64_t kBackupRetryUs = 3600 * 1000000LL;         // after one that failed
constexpr int64_t kEpochGuardUs = 30 * 60 * 1000000LL;      // of running after a repair or a restore, nothing is deleted for being absent

// watch cache
constexpr size_t kRingBytesMax = 8 * 1024 * 1024;
constexpr int64_t kRingAgeUsMax = 5 * 60 * 1000000LL;
constexpr size_t kPinnedBytesMax = 8 * 1024 * 1024;        // of documents that only pinned LIST pages may hold
constexpr size_t kPinnedViewsMax = 64;

// events: client-go's own figures, and a smaller memory of what was recorded (each entry is some 300 bytes)
constexpr size_t kEventQueueMax = 1000;                         // waiting to be written; beyond: dropped
constexpr size_t kEventMemoryMax = 1024;                        // sorts of events that count up instead of being new
constexpr size_t kEventSimilarMax = 10;                         // different messages before they are combined
constexpr int64_t kEventSimilarUs = 600 * 1000000LL;            // within this time
constexpr double kEventBurst = 25;                              // per source and object
constexpr double kEventsPerSecond = 1.0 / 300;

// controllers: client-go's default rate limiter; few workers, because all share one thread and only wait for the disk
constexpr int64_t kRetryFirstUs = 5 * 1000;
constexpr int64_t kRetryMaxUs = 1000 * 1000000LL;
constexpr double kRetryBurst = 100;                             // retries of one controller
constexpr double kRetriesPerSecond = 10;
constexpr size_t kControllerWorkers = 5;                        // keys of one controller in flight
constexpr size_t kReconcilesPerTurn = 8;                        // then the loop gets its turn (no step over 5 ms)
constexpr size_t kReplicaBurst = 500;                           // pods created or deleted by one reconcile
constexpr size_t kNamespaceDeletesPerPlan = 500;
constexpr int64_t kNodeMonitorGraceUs = 50 * 1000000LL;         // without a heartbeat: Unknown
constexpr int64_t kNodeStartupGraceUs = 60 * 1000000LL;         // the same for a node that never reported
constexpr int64_t kNodeQuarantineUs = 40 * 1000000LL;          // a node missing for less may come back: its pods stay
constexpr size_t kTerminatedPodsMax = 12500;
constexpr size_t kEndpointsPerSlice = 100;
constexpr size_t kEndpointsMax = 1000;                          // in one Endpoints object; beyond: truncated
constexpr int kPodCidrNodeBits = 24;                            // a /24 for each node
constexpr int64_t kDisruptionTimeoutUs = 2 * 60 * 1000000LL;    // for a pod whose eviction was granted to be deleted

// scheduler: upstream's back-off
constexpr int64_t kScheduleBackoffFirstUs = 1 * 1000000LL;
constexpr int64_t kScheduleBackoffMaxUs = 10 * 1000000LL;
constexpr int64_t kUnschedulableMaxUs = 5 * 60 * 1000000LL;     // then a pod is tried again even without a hint
constexpr size_t kPodsPerTurn = 8;                              // scheduled before the loop gets its turn
constexpr size_t kBindsInFlight = 64;

// images: what one layer may unpack to, and what an archive's JSON may hold, before it is refused
constexpr int64_t kLayerBytesMax = 8LL * 1024 * 1024 * 1024;
constexpr size_t kLayerEntriesMax = 1000 * 1000;
constexpr size_t kImageJsonBytesMax = 4 * 1024 * 1024;    // one manifest or config
constexpr size_t kArchiveJsonBytesMax = 16 * 1024 * 1024;  // all of them in one archive
constexpr size_t kImagesPerArchiveMax = 256;
constexpr size_t kLayersPerImageMax = 60;                  // overlayfs takes one page of mount options

// pulls: what a registry may make us hold, and for how long it may keep us waiting
constexpr size_t kPullLayersMax = kOffloadLayerThreads;   // of all pulls together, at once
constexpr size_t kPullAheadBytes = 1024 * 1024;           // of a layer that wait to be unpacked; then the registry waits
constexpr size_t kUrlBytesMax = 8 * 1024;                 // signed ones of object stores have some 2 KiB
constexpr size_t kChallengesMax = 16;                     // in one WWW-Authenticate header
constexpr size_t kIndexEntriesMax = 1024;                 // of an image index
constexpr size_t kMirrorEndpointsMax = 32;                // of one registry
constexpr int64_t kRewriteBytesMax = 1024 * 1024;         // of one regular expression, compiled
constexpr size_t kPullCredentialsMax = 64;                // tried one after the other
constexpr int kRedirectsMax = 10;                         // Go's figure
constexpr size_t kTokenBytesMax = 256 * 1024;             // the token service's answer
constexpr size_t kErrorBodyBytesMax = 64 * 1024;          // read of a refusal
constexpr int kPullAttempts = 5;                          // of one request that met 429, 5xx or a cut, without progress
constexpr int64_t kPullRetryFirstMs = 500;                // doubled
constexpr int64_t kPullRetryMaxMs = 8 * 1000;
constexpr int64_t kRetryAfterMaxMs = 60 * 1000;           // of a registry's own wish; a longer one fails the pull
constexpr int64_t kPullHeadMs = 30 * 1000;                // until an answer begins
constexpr int64_t kPullProgressMs = 60 * 1000;            // for the next kPullProgressBytes of a body
constexpr size_t kPullProgressBytes = 64 * 1024;          // 1 kB/s: less is no download
constexpr size_t kConnectionsIdleMax = 4;                 // of one pull to one registry
constexpr int64_t kPullThreadIdleMs = 10 * 1000;          // then its thread ends
constexpr int64_t kLeftLayerUs = 24 * 3600 * 1000000LL;   // layers of a pull that failed stay for the next try

constexpr size_t kImagePullsMax = 8;                      // at once, where they are not one after the other

// garbage collection of images: the kubelet's figures (imageGCHighThresholdPercent and its kin)
constexpr int kImageGcHighPercent = 85;                   // of the image file system used: images go
constexpr int kImageGcLowPercent = 80;                    // until no more is
constexpr int64_t kImageMinAgeUs = 2 * 60 * 1000000LL;    // a younger image stays
constexpr int64_t kImageGcPeriodMs = 5 * 60 * 1000;
constexpr int64_t kImagesFolderSettleMs = 1000;           // a file in <data-dir>/agent/images is taken when it was left alone for so long
constexpr size_t kImageListNamesMax = 1000;               // in one list of images to pull (.txt)
constexpr size_t kExportReadBytes = 256 * 1024;

// runtime and its shim: log figures are the kubelet's defaults (containerLogMaxSize, containerLogMaxFiles) and containerd's line
constexpr size_t kLogLineBytesMax = 16 * 1024;                  // a longer line is cut into parts
constexpr size_t kLogFileBytesMax = 10 * 1024 * 1024;           // then a container's log is rotated
constexpr int kLogFilesMax = 5;                                 // of one container, with the current one
constexpr size_t kShimStdinBytesMax = 64 * 1024;                // waiting for a process to read; then the writer waits
constexpr size_t kShimOutputBytesMax = 64 * 1024;               // waiting for the reader of an exec; then the process waits
constexpr size_t kShimAttachBytesMax = 256 * 1024;              // waiting for the reader of an attach; then it is detached
constexpr int kShimConnectionsMax = 64;                         // of one pod
constexpr int64_t kShimConnectMs = 5 * 1000;
constexpr int64_t kRuntimeCommandMs = 120 * 1000;               // one runc command on a loaded Pi

// cni
constexpr size_t kCniConfigBytesMax = 256 * 1024;
constexpr int64_t kNetworkRetryMsMin = 1000;   // after the node's pod network could not be opened, doubled
constexpr int64_t kNetworkRetryMsMax = 60 * 1000;

// proxy: how soon a refused change of the packet filter is tried again
constexpr int64_t kProxyRetryMsMin = 1000;
constexpr int64_t kProxyRetryMsMax = 60 * 1000;

// dns: a flood of questions costs no more than these
constexpr size_t kDnsUpstreamsMax = 3;          // as many as the C library asks
constexpr size_t kDnsForwardsMax = 256;         // questions waiting for an upstream server
constexpr int kDnsForwardRounds = 2;
constexpr int64_t kDnsForwardMs = 2000;         // for one server's answer
constexpr int64_t kUpstreamSettleMs = 100;      // resolv.conf is emptied before it is written
constexpr size_t kDnsTcpConnectionsMax = 64;
constexpr int64_t kDnsTcpIdleMs = 10 * 1000;

// kubelet: upstream's figures where it has them
constexpr int64_t kCrashBackoffFirstUs = 10 * 1000000LL;
constexpr int64_t kCrashBackoffMaxUs = 5 * 60 * 1000000LL;
constexpr int64_t kSetupRetryFirstMs = 500;                     // of volumes and sandboxes that fail, doubled
constexpr int64_t kSetupRetryMaxMs = 122 * 1000;
constexpr int64_t kTokenRetryMs = 30 * 1000;                    // of a renewal: four times in the last fifth of ten minutes
constexpr int64_t kImageRetryFirstMs = 10 * 1000;               // ImagePullBackOff
constexpr int64_t kImageRetryMaxMs = 300 * 1000;
constexpr int64_t kGraceMsMin = 2 * 1000;                        // minimumGracePeriodInSeconds
constexpr int64_t kStatusRetryMs = 1000;                        // after a status or delete that the API refused, doubled
constexpr int64_t kStatusRetryMaxMs = 30 * 1000;
constexpr int64_t kKillRetryMs = 1000;                          // of SIGKILL to a container that is still there, doubled
constexpr int64_t kLeaseRenewMs = 10 * 1000;                    // nodeLeaseDurationSeconds / 4
constexpr int64_t kLeaseSeconds = 40;
constexpr int64_t kNodeStatusMs = 5 * 60 * 1000;                // without a change
constexpr int64_t kNodeRetryMs = 1000;
constexpr size_t kNodeImagesMax = 50;                           // listed in a Node's status
constexpr size_t kTerminationMessageBytesMax = 4096;
constexpr size_t kTerminationLogBytesMax = 2048;                // FallbackToLogsOnError
constexpr size_t kTerminationLogLinesMax = 80;
constexpr size_t kProbeOutputBytesMax = 10 * 1024;              // of an answer to a probe, and of what its command writes
constexpr int kProbesAtOnceMax = 16;                            // of the node, those by a command: each takes the runtime's 10 MB
constexpr int kProbeTries = 3;                                  // of one that could not be carried out
constexpr int kProbeRedirectsMax = 10;
constexpr int64_t kProbeRedialMs = 1000;                        // of a gRPC server that is not there yet, as grpc-go's first back-off
constexpr size_t kDeadContainersMax = 1;                        // kept of each container beside the latest (maxPerPodContainer)
constexpr size_t kPodsOfNodeMax = 110;
constexpr size_t kLogReadBytes = 32 * 1024;

// joining
constexpr size_t kJoinTokenBytesMax = 512;
constexpr size_t kJoinAnswerBytesMax = 256 * 1024;              // of a server that nobody has verified yet
constexpr int64_t kJoinAnswerMs = 30 * 1000;                    // for one answer
constexpr int64_t kJoinDecisionMs = 5 * 60 * 1000;              // for a certificate that somebody may have to approve
constexpr int64_t kNodeCertificateLifeS = 365LL * 24 * 3600;    // asked for; k3s's figure
constexpr size_t kJoinsBurst = 20;                              // requests for certificates by tokens at once
constexpr double kJoinsPerSecond = 2;                           // after that: signing is dear on a board, and each is a write to its card
constexpr size_t kJoinsPendingMax = 200;                        // requests of tokens that wait for a decision; beyond: 429
constexpr int64_t kJoinRetryMsMin = 1000, kJoinRetryMsMax = 30 * 1000;  // of an agent whose server does not answer yet, doubled
constexpr int64_t kJoinDoubtMs = 60 * 1000;                     // until the key of a name, which may be lost, is looked for again
constexpr int64_t kJoinBootstrapTtlS = 24 * 3600;               // of a bootstrap token, unless told otherwise: kubeadm's

// certificate requests: upstream's figures
constexpr int64_t kCsrDecidedUs = 3600 * 1000000LL;             // kept after it was issued or denied
constexpr int64_t kCsrPendingUs = 24 * 3600 * 1000000LL;        // kept while nobody decides
constexpr int64_t kCsrLifeS = 365LL * 24 * 3600;                // of a certificate, at most (--cluster-signing-duration)
constexpr int64_t kCsrLifeMinS = 600;

// tokens of others (OpenID Connect)
constexpr size_t kOidcAnswerBytesMax = 256 * 1024;        // of an issuer's configuration and its keys
constexpr int64_t kOidcAnswerMs = 30 * 1000;
constexpr int64_t kOidcRetryMs = 10 * 1000;               // after an issuer that did not answer: upstream's
constexpr int64_t kOidcKeysUs = 10 * 60 * 1000000LL;      // keys are asked for again for an unknown one, but no sooner
constexpr size_t kOidcKeysMax = 64;

// app
constexpr int64_t kRenewRetryS = 3600;              // after a renewal of certificates that failed
constexpr int64_t kAddressSettleMs = 2000;          // an address that is renewed goes and comes
constexpr int64_t kStopWorkMs = 20 * 1000;          // at the end: for mounts, removals and imports that run
constexpr size_t kSmallFileBytesMax = 1024 * 1024;  // config files, certificates, tokens
constexpr int64_t kImportProgressMs = 200;          // how often a waiting command hears of an import

// registry
constexpr int kWriteAttempts = 5;                   // of an update or delete that lost a race with another writer of the store
constexpr size_t kPodSecurityNamespacePods = 3000;          // looked at when a namespace is narrowed: upstream's figure
constexpr int64_t kPodSecurityNamespaceUs = 50 * 1000;      // and for how long: the owner's loop waits (upstream: a second of its own)
constexpr size_t kAnnotationBytesMax = 256 * 1024;  // of one object together, as upstream
constexpr int64_t kEventTtlUs = 3600 * 1000000LL;   // as upstream's --event-ttl
constexpr size_t kUpdateManagersMax = 10;           // of one object, kept apart in managedFields: upstream's figure
constexpr size_t kFieldManagerBytesMax = 128;       // of a manager's name: upstream's figure
constexpr size_t kDisruptedPodsMax = 2000;          // evictions that a budget has granted and its controller not yet seen: upstream's
constexpr int kEvictionAttempts = 20;               // of an eviction whose pod changes meanwhile: upstream's figure
constexpr size_t kEventsPerTurn = 100;              // expired before the loop gets its turn
constexpr int64_t kEventSweepUs = 60 * 1000000LL;   // expired Events go in batches, at most once a minute

// apiserver: requests in flight as upstream has them by default; their answers' bytes, which wait for slow readers
constexpr size_t kReadsInFlightMax = 400;
constexpr size_t kWritesInFlightMax = 200;
constexpr size_t kAnswerBytesMax = 64 * 1024 * 1024;
constexpr size_t kOffloadedPageBytes = 128 * 1024;  // of JSON: a larger list is written in protobuf on a worker thread
constexpr size_t kStreamsMax = 4000;                // watches, logs, execs at once: some 41 kB each with its connection; upstream has no limit
constexpr size_t kStreamsOfUserMax = 1500;
constexpr int64_t kWatchSecondsMin = 1800;          // a watch without timeoutSeconds lasts once to twice this, as upstream's
constexpr int64_t kWatchSecondsMax = 24 * 3600;
constexpr int64_t kBookmarkMs = 60 * 1000;          // between bookmarks of one watch
constexpr size_t kWatchBatch = 100;                 // events looked up at once
constexpr size_t kSpdyFrameBytesMax = 1024 * 1024;   // one frame of a port-forward; clients send at most 32 KiB
constexpr size_t kForwardStreamsMax = 256;           // connections of one port-forward at once
constexpr size_t kForwardQueueMax = 64;              // frames of one of them that wait for the pod to read
constexpr size_t kBootstrapWriters = 24;             // default roles written at once: each takes some 20 kB until it is on disk
constexpr int64_t kBootstrapRetryMsMin = 1000, kBootstrapRetryMsMax = 60 * 1000;  // of the system's own objects (disk full)
constexpr size_t kImpersonatorsMax = 256;            // users of whom it is known how they impersonate (upstream: 10000)
constexpr size_t kWatchChunkBytes = 32 * 1024;      // existing objects at a watch's begin go in chunks of about this
constexpr size_t kProxiedMax = 200;                  // requests handed on to pods, services and nodes at once; beyond: 429
constexpr size_t kProxiedPageBytesMax = 1024 * 1024; // of an HTML page whose links are rewritten; a larger one passes as it is

// counters of /metrics
constexpr size_t kMetricSeriesMax = 1024;            // label sets of one table of counters; some 100 on a quiet cluster, 0.7 kB each

// fairness: upstream's figures, but for the number that waits, which is for a board
constexpr int64_t kFlowWaitMs = 15 * 1000;           // in a queue; then 429: a quarter of a request's time
constexpr size_t kFlowWaitingMax = 1000;             // in all queues; each holds its request's body
constexpr size_t kFlowObjectsPerSeat = 100;          // of a list
constexpr size_t kFlowListSeatsMax = 100;
constexpr double kFlowSeatsOfLevel = 0.15;           // the most that one request takes of its level
constexpr double kFlowRoundsBurst = 10;              // of bringing its objects back, then one a second

// audit: what the disk takes later than it comes
constexpr size_t kAuditQueueBytesMax = 8 * 1024 * 1024;  // beyond: events are dropped and counted
constexpr int64_t kAuditLimitMax = 1000 * 1000;          // of --audit-log-maxage, -maxbackup, -maxsize
constexpr size_t kAuditRotateNamesMax = 100;             // tries for a name that is free

// tokens of service accounts: upstream's figures
constexpr int64_t kTokenSeconds = 3600;                   // unless asked otherwise
constexpr int64_t kTokenSecondsMin = 600;
constexpr int64_t kTokenSecondsMax = 1LL << 32;
constexpr int64_t kTokenPodSeconds = 3607;                // what a pod's volume asks for; known by this odd figure (KEP 2799)
constexpr int64_t kTokenPodExtendedSeconds = 365 * 24 * 3600;  // what it gets, with a claim of when to have renewed
constexpr int64_t kTokenLeewaySeconds = 60;               // clocks of nodes
constexpr int64_t kTokenCacheUs = 10 * 1000000LL;         // a signature found good is not checked again
constexpr size_t kTokenCacheMax = 1024;                   // some 1 kB each (upstream: 4096)
constexpr int64_t kTokenDeletedPodUs = 60 * 1000000LL;    // a pod may use its token while it ends

// quarantine
constexpr size_t kStepsNotedMax = 256;       // at once: a pod has two for life, others a moment; beyond, steps go unnoted
constexpr size_t kQuarantineRecordsMax = 64;  // objects that somebody died of
constexpr uint32_t kQuarantineAborts = 2;     // once may be bad luck
constexpr int64_t kQuarantineMemoryUs = 3600 * 1000000LL;  // a single abort is forgotten then
constexpr size_t kCrashStackBytes = 32 * 1024;

// what a node tells of its use: nothing is measured until somebody asks
constexpr size_t kUsageFileBytesMax = 64 * 1024;                // of one file of a cgroup; memory.stat has some 2 kB
constexpr size_t kUsageDevicesMax = 64;                         // block devices of one cgroup
constexpr size_t kUsageInterfacesMax = 64;                      // links of one network namespace
constexpr int64_t kUsageReuseUs = 1000 * 1000;                  // a reading so young answers another question too
constexpr int64_t kUsageWindowMinUs = 10 * 1000000LL;           // of a CPU rate; metrics-server asks each 15 s
constexpr int64_t kUsageWindowMaxUs = 120 * 1000000LL;          // an older first point says nothing of now
constexpr int64_t kUsageSecondLookMs = 1000;                    // then one of a second is measured, while the asker waits
constexpr int64_t kDiskScanReuseUs = 60 * 1000000LL;            // bytes below a folder are not counted again so soon; upstream: a minute
constexpr size_t kDiskScanEntriesMax = 200 * 1000;              // of one folder's scan; beyond, what was counted is told
constexpr int64_t kDiskScanMs = 2000;                           // of all scans of one question; the rest have their turn at the next
constexpr size_t kDiskScanDepthMax = 64;                        // an open descriptor each
constexpr size_t kDiskScanLinksMax = 16 * 1024;                 // files with several names that are counted once
constexpr size_t kNodeRequestBytesMax = 16 * 1024;              // of a request to the kubelet's port: nothing there takes a body

// A shim that was asked to end, by a machine that shuts down, waits so long for its containers.
inline constexpr unsigned kShimEndSeconds = 10;
// Names that are looked at in <data-dir>/data, where releases unpack their runtime.
inline constexpr size_t kCarriedRuntimesMax = 64;

}  // namespace bramble::limits
