// Start here. An Engine holds the policy and the state of every method, and
// creates the channels whose calls it guards.
//
//   absl::StatusOr<std::shared_ptr<firebreak::Engine>> engine =
//       firebreak::Engine::FromFile("policy.textproto");
//   if (!engine.ok()) return Fail(engine.status());
//
//   auto channel = (*engine)->CreateChannel(
//       "payment", "dns:///payment:443", grpc::SslCredentials({}));
//   auto stub = shop::v1::PaymentService::NewStub(channel);   // as ever
//
//   firebreak::AdminService admin(*engine);                   // optional
//   server_builder.RegisterService(&admin);
//
// A call of a method that the policy names has to pass its circuit breaker, may
// be retried and hedged within its deadline, and is counted. Any other call
// passes through untouched.
//
// Thread safety: every member function may be called from any thread.
// Ownership: channels, their stubs and calls in flight keep alive what they
// need of an engine. So the engine, a channel, a stub and a context may be
// destroyed in any order and on any thread. The engine's threads end with the
// last of them.
// Errors: absl::Status. One message names every fault of a policy, and a policy
// with a fault changes nothing.
#ifndef FIREBREAK_INCLUDE_FIREBREAK_ENGINE_H_
#define FIREBREAK_INCLUDE_FIREBREAK_ENGINE_H_

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_interceptor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "firebreak/attempt_listener.h"
#include "firebreak/classifier.h"
#include "firebreak/clock.h"
#include "firebreak/events.h"
#include "firebreak/export.h"
#include "firebreak/fallback.h"
#include "firebreak/log.h"
#include "firebreak/policy_update.h"

namespace firebreak {

namespace engine {
class EngineCore;
}

struct EngineOptions {
  // The number of threads that complete the attempts of retried and hedged
  // calls, unless the calling thread does so itself. They sleep while there is
  // nothing to do. Up to 30 more are started if application code, such as an
  // AttemptListener, blocks these. [1, 64].
  int poller_threads = 2;
  // Whether the thread that makes a synchronous call runs the attempts itself
  // while it waits, so that no other thread has to wake up for them. This is
  // about unary calls with retry, hedging, a timeout, the policy's
  // `wait_for_ready` or a fallback. The thread does so inside Proceed() of the
  // interceptors in front of firebreak's. Set this to false if one of those
  // holds a lock across Proceed(): otherwise calls would wait for each other.
  bool drive_on_calling_thread = true;
  // The number of threads that run fallbacks. [1, 64].
  int callback_threads = 2;
  // The number of threads that run classifiers and event listeners, for which
  // no call waits. They are a separate pool, so that one that blocks or is too
  // busy does not delay a fallback. [1, 64].
  int observer_threads = 2;
  // How many fallbacks may wait for a thread, and how many classifiers and
  // listeners. Further ones are skipped: a call whose fallback is skipped ends
  // with the failure itself, a result whose classifier is skipped counts as the
  // policy says, and a listener gets its event later. [1, 1'000'000].
  std::size_t callback_queue = 1024;
  // How many methods have a state of their own. The methods after that share
  // one entry per channel name, "other", which counts calls and never refuses
  // one. [1, 1'000'000].
  std::size_t max_methods = 1000;
  // How many events are kept for the admin service, and how many may wait for
  // each listener. [1, 1'000'000].
  std::size_t event_log_size = 1000;
  // Receives the log lines: see log.h. Null means no log.
  LogSink log_sink = LogToStderr;
  // For a gRPC service config only. true: a maxAttempts above 5 means 5, as it
  // does for gRPC. false: it is used as it is, up to firebreak's limit of 10.
  bool clamp_attempts_at_5 = true;
  // Whether a policy may inject faults (`fault { }`): set this in staging only.
  // false: a policy that has some is refused as a whole.
  bool allow_faults = false;
  // For tests: see clock.h. Null means the steady clock. With a clock,
  // `drive_on_calling_thread` is taken as false.
  std::shared_ptr<Clock> clock;
};

// How often the application's own callbacks did something wrong. No call was
// harmed.
struct CallbackFaults {
  int64_t classifier_threw = 0;
  int64_t classifier_late = 0;     // took longer than a second
  int64_t classifier_skipped = 0;  // there was no room in the queue
  int64_t fallback_threw = 0;      // counts as a fallback that failed
  int64_t listener_threw = 0;
  int64_t events_missed = 0;  // by listeners that were too slow
};

struct WatchOptions {
  // The time between two looks at the file. [10ms, 1h].
  std::chrono::nanoseconds interval = std::chrono::seconds(1);
};

// The type of the messages that a channel's stubs exchange, which gRPC does not
// show to an interceptor. If firebreak has to answer a call of the other type,
// the call ends with INTERNAL, and the message says what to do.
enum class Codec {
  kProtobuf,    // stubs generated by protoc
  kByteBuffer,  // grpc::GenericStub and other users of ByteBuffers
};

// Interceptor factories of the application. They are shared, so that options
// can be copied and used for several channels.
//
//   options.interceptors.push_back(std::make_unique<MyFactory>());
class FIREBREAK_EXPORT InterceptorFactories
    : public std::vector<std::shared_ptr<
          grpc::experimental::ClientInterceptorFactoryInterface>> {
 public:
  using Factory = grpc::experimental::ClientInterceptorFactoryInterface;

  InterceptorFactories() = default;
  // From what CreateCustomChannelWithInterceptors() takes.
  // NOLINTNEXTLINE(google-explicit-constructor)
  InterceptorFactories(std::vector<std::unique_ptr<Factory>> factories) {
    for (std::unique_ptr<Factory>& factory : factories) {
      push_back(std::move(factory));
    }
  }
  // For CreateCustomChannelWithInterceptors(): each forwards to a shared one.
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator std::vector<std::unique_ptr<Factory>>() const;
};

// May be copied, and the same options may create several channels.
struct ChannelOptions {
  Codec codec = Codec::kProtobuf;
  // More targets that serve the same methods, in the order of preference. The
  // channel's own target comes before them. Each attempt of a retried or hedged
  // call goes to the first target that the call has not used yet and whose
  // breaker admits the attempt. If there is none, it goes to the first of the
  // used targets whose breaker admits it. Each replica is a channel with the
  // same credentials, `args` and `attempt_interceptors`, and without
  // `interceptors`. Streams, and calls without retry, hedging, a timeout, the
  // policy's `wait_for_ready` or a fallback, use the channel's own target only.
  std::vector<std::string> replicas;
  // It is called at the start and end of each attempt: see attempt_listener.h.
  std::shared_ptr<AttemptListener> attempt_listener;
  // Passed on to gRPC. firebreak adds grpc.service_config_disable_resolution =
  // 1 unless it is set, so that no retryPolicy from DNS multiplies the
  // attempts.
  grpc::ChannelArguments args;
  // Interceptors that run before firebreak's own.
  InterceptorFactories interceptors;
  // Interceptors that run after firebreak's own, on replicas too, where they
  // see each attempt instead of the call: those of firebreak/testing.h, for
  // instance. Such an interceptor may answer a call itself, but must not make a
  // new one (GetInterceptedChannel()).
  InterceptorFactories attempt_interceptors;
};

class FIREBREAK_EXPORT Engine {
 public:
  // Creates an engine from a firebreak.v1.PolicySet in textproto or JSON, or
  // from a gRPC service config in JSON: see docs/policy.md. The format is
  // recognised from the text, which has at most 1 MiB.
  // NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION: the file cannot be read.
  // INVALID_ARGUMENT: its content, or a value in `options`.
  // RESOURCE_EXHAUSTED: no thread can be started.
  static absl::StatusOr<std::shared_ptr<Engine>> FromFile(
      const std::string& path, const EngineOptions& options = {});
  static absl::StatusOr<std::shared_ptr<Engine>> FromText(
      absl::string_view text, const EngineOptions& options = {});
  static absl::StatusOr<std::shared_ptr<Engine>> FromProto(
      const v1::PolicySet& policy, const EngineOptions& options = {});
  // Accepts only a service config, as used with gRPC itself: retries and
  // hedging as in gRFC A6, timeouts and retryThrottling. It cannot configure a
  // breaker.
  static absl::StatusOr<std::shared_ptr<Engine>> FromServiceConfig(
      absl::string_view json, const EngineOptions& options = {});

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Creates a channel whose calls follow the policy. `name` is what the
  // policy's `channel` fields refer to. Channels of one name share counters and
  // the budget for retries and hedges; each target has breakers of its own.
  // Never null: calls to a target that does not exist fail, as in gRPC.
  std::shared_ptr<grpc::Channel> CreateChannel(
      const std::string& name, const std::string& target,
      const std::shared_ptr<grpc::ChannelCredentials>& creds,
      ChannelOptions options = {});

  // The same for grpc::GenericStub and other users of ByteBuffers:
  // `options.codec` is taken as kByteBuffer.
  std::shared_ptr<grpc::Channel> CreateGenericChannel(
      const std::string& name, const std::string& target,
      const std::shared_ptr<grpc::ChannelCredentials>& creds,
      ChannelOptions options = {});

  // For applications that create the channel themselves: push this *last* into
  // the vector given to CreateCustomChannelWithInterceptors(). An interceptor
  // behind it sees each attempt instead of the call. `target` is only used to
  // distinguish the breakers of several targets. Such a channel has no
  // replicas, no attempt listener and no faults of the policy, and its
  // arguments are left as they are.
  std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>
  InterceptorFactory(const std::string& name, const std::string& target = "",
                     Codec codec = Codec::kProtobuf);

  // Sets what answers a unary call of `method` ("/pkg.Service/Method") that
  // would fail: see fallback.h. It applies to calls that start later. nullptr
  // removes it.
  // INVALID_ARGUMENT: `method` is not of that form, or the method's proto is
  // linked in and MakeFallback() was for other messages than its own.
  // NOT_FOUND: the policy has no entry for it, or it is past
  // EngineOptions::max_methods.
  absl::Status SetFallback(const std::string& channel,
                           const std::string& method, Fallback fallback);
  // The same with several links, which are asked in their order.
  // INVALID_ARGUMENT also if there is no link or more than eight, if a link has
  // no function, or if a name, a time or a bound of a cache is out of its
  // range.
  absl::Status SetFallback(const std::string& channel,
                           const std::string& method, FallbackChain chain);

  // Sets what decides which results of `method` are failures: see classifier.h.
  // It applies to results that come later. nullptr removes it. Errors are those
  // of SetFallback().
  absl::Status SetClassifier(const std::string& channel,
                             const std::string& method, Classifier classifier);

  // Adds a listener that gets every event from now on: see events.h. Null does
  // nothing.
  void AddEventListener(std::shared_ptr<EventListener> listener);
  // Removes it. If it is handling an event at this moment, that is its last.
  void RemoveEventListener(const std::shared_ptr<EventListener>& listener);

  // Returns what the application's callbacks did wrong since the engine was
  // created.
  CallbackFaults callback_faults() const;

  // Replaces the policy while calls run, as a whole or not at all. Calls that
  // begin from now on follow the new policy, calls in flight keep the old one,
  // and no call fails because of the change. The engine keeps its state: the
  // windows and states of breakers, overrides, tokens, queues and latencies. A
  // window of another kind or size starts empty, and a breaker that the new
  // policy does not have closes.
  // A policy that means the same as the one in force changes nothing. Updates
  // happen one after the other, in an order that is the same for all observers.
  // Each update that changes the policy or is refused is an event
  // (EngineEvent::Kind::kPolicy). A dry run is none.
  // INVALID_ARGUMENT: every fault of the policy. ABORTED: another version than
  // `if_version` is in force. In both cases nothing has changed.
  absl::StatusOr<PolicyChange> UpdatePolicy(const v1::PolicySet& policy,
                                            const PolicyUpdate& update = {});
  // The same, from a text in any format that FromText() accepts.
  absl::StatusOr<PolicyChange> UpdatePolicy(absl::string_view text,
                                            const PolicyUpdate& update = {});
  // The same, for callers that only want to know whether it worked.
  absl::Status SetPolicy(const v1::PolicySet& policy);
  absl::Status SetPolicyText(absl::string_view text);
  // Returns the policy in force.
  PolicyInForce policy() const;
  // Returns the policies that were in force before, the last one first. At most
  // ten.
  std::vector<PolicyInForce> PolicyHistory() const;

  // Makes the content of this file the policy, now and whenever the file
  // changes. The content is as for FromText(). The file may be written in
  // place, replaced by a rename, or reached by a symbolic link that changes.
  // New content counts once it has not changed for an interval. If the file is
  // bad or gone, that is an event, and the policy in force stays. A policy that
  // was set in another way meanwhile stays too, until the file changes the next
  // time.
  // If the file cannot be used now, the errors are those of FromFile(), and
  // nothing changes. An engine watches one file: once this returns, nothing of
  // the file watched before becomes the policy. Watching ends with the engine
  // and the last of its channels.
  absl::Status WatchFile(const std::string& path,
                         const WatchOptions& options = {});
  // Stops watching. Once this returns, the file no longer changes the policy.
  void StopWatching();

  // Lists what the policy may say but most likely says by mistake, errors
  // first: calls that are sent again although nothing says that they may run
  // twice, times that leave no room for each other, and so on. docs/policy.md
  // has the list. It considers the `idempotency_level` in the protos linked
  // into the program, the channel arguments about retries and, after ten
  // minutes of calls, the names that have matched no call. It takes some time:
  // use it at start-up, in tests and for operators. Errors are also logged,
  // once when the engine is created and with each policy that comes into force.
  std::vector<LintFinding> Lint() const;

  // Not part of the API: for firebreak's own components.
  const std::shared_ptr<engine::EngineCore>& core() const { return core_; }

 private:
  explicit Engine(std::shared_ptr<engine::EngineCore> core);

  const std::shared_ptr<engine::EngineCore> core_;
};

}  // namespace firebreak

#endif  // FIREBREAK_INCLUDE_FIREBREAK_ENGINE_H_
