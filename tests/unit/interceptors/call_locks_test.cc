// No call takes a lock that all calls share. This file counts locks, as it
// replaces the function that takes them.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <memory>
#include <string>

#include "absl/base/config.h"
#include "firebreak/engine.h"
#include "interceptors/batch/pass_through.h"
#include "src/core/attempts/call_driver.h"
#include "src/engine/engine_core.h"
#include "src/engine/io/clock.h"

namespace {

// The number of locks that this thread has taken.
thread_local int t_locks = 0;

}  // namespace

// The sanitizers replace this function themselves.
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && \
    !defined(ABSL_HAVE_THREAD_SANITIZER)
#define FIREBREAK_COUNTS_LOCKS 1
extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  using Function = int (*)(pthread_mutex_t*);
  static const auto real =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++t_locks;
  return real(mutex);
}
#endif

namespace firebreak::engine {
namespace {

class CallLocksTest : public ::testing::Test {
 protected:
  void SetUp() override {
#ifndef FIREBREAK_COUNTS_LOCKS
    GTEST_SKIP() << "locks cannot be counted in this kind of build";
#endif
    auto engine = Engine::FromText(
        "method { name { service: \"p.Guarded\" } breaker {} }"
        "method { name { service: \"p.Driven\" } breaker {} retry {} "
        "         hedging { delay: \"1s\" } }");
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    channel_ = engine_->core()->BindChannel("c", {"t"});
  }

  // Returns the number of locks of a call, after some calls to warm up.
  template <class Call>
  static int LocksOf(Call call) {
    for (int i = 0; i < 5; ++i) call();
    const int before = t_locks;
    call();
    return t_locks - before;
  }

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<ChannelBinding> channel_;
};

TEST_F(CallLocksTest, LocksAreCounted) {
  core::Mutex mu;
  EXPECT_EQ(LocksOf([&] { core::MutexLock lock(&mu); }), 1);
}

TEST_F(CallLocksTest, NoneWithoutPolicy) {
  EXPECT_EQ(LocksOf([&] {
              ASSERT_EQ(channel_->Find("/p.None/M"), nullptr);
              std::make_unique<interceptors::Strip>(engine_->core().get());
            }),
            0);
}

TEST_F(CallLocksTest, NoneOfNamesThatAreNeverTheSame) {
  int n = 0;
  EXPECT_EQ(LocksOf([&] {
              const std::string name = "/p.None/M" + std::to_string(++n);
              ASSERT_EQ(channel_->Find(name), nullptr);
            }),
            0);
}

// The calls that GuardedCall makes for a call that is admitted and succeeds.
TEST_F(CallLocksTest, NoneOfAGuardedCallThatSucceeds) {
  const core::Time now = Now();  // the window's bucket rolls under a lock
  EXPECT_EQ(LocksOf([&] {
              const auto method = channel_->Find("/p.Guarded/M");
              MethodRuntime& runtime = *method->runtime;
              runtime.stats.OnCallStarted();
              core::AdmissionPermit permit;
              permit.Begin(&method->settings->admission, now,
                           core::kInfiniteFuture, core::Duration::zero());
              auto admission =
                  method->targets[0]->Admit(now, core::kInfiniteFuture);
              ASSERT_TRUE(admission.permit);
              runtime.stats.OnAttempt(core::AttemptKind::kFirst);
              runtime.budget->OnCallAdmitted();
              EXPECT_EQ(runtime.classifier(), nullptr);
              EXPECT_EQ(runtime.fallback(), nullptr);
              admission.permit.Settle(core::Verdict::kSuccess, now);
              permit.End(core::AdmissionControl::Verdict::kAccepted, now);
              runtime.latency.OnAttemptEnd(absl::StatusCode::kOk,
                                           core::Attribution::kSuccess,
                                           std::chrono::milliseconds(1), now);
              runtime.stats.OnAttemptEnd(core::Attribution::kSuccess);
              runtime.stats.OnCallEnded(core::CallEnd::kSuccess,
                                        absl::StatusCode::kOk,
                                        std::chrono::milliseconds(1));
            }),
            0);
}

TEST_F(CallLocksTest, NoneOfADrivenCallThatSucceedsAtOnce) {
  const core::Time now = Now();
  EXPECT_EQ(LocksOf([&] {
              const auto method = channel_->Find("/p.Driven/M");
              core::CallDriver::Plan plan;
              plan.options = method->settings->options.get();
              plan.targets = method->targets;
              plan.budget = method->runtime->budget.get();
              plan.stats = &method->runtime->stats;
              plan.latency = &method->runtime->latency;
              core::CallDriver driver(plan);
              driver.Start(now);
              driver.OnAttemptEnd(0, core::AttemptEnd{}, now);
              EXPECT_TRUE(driver.finished());
            }),
            0);
}

}  // namespace
}  // namespace firebreak::engine
