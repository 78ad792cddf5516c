// How a call finds its method: by the policy in force, on any thread, and in
// bounded memory.
#include "src/engine/binding_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "firebreak/engine.h"
#include "src/core/base/mutex.h"
#include "src/engine/engine_core.h"
#include "src/engine/policy/policy.h"

namespace firebreak::engine {
namespace {

constexpr char kPolicy[] = "method { name { service: \"p.S\" } breaker {} }";

PolicyTable Table(const std::string& text) {
  auto table = ParsePolicyText(text, "test");
  EXPECT_TRUE(table.ok()) << table.status();
  return *table;
}

std::shared_ptr<const MethodBinding> NewBinding(const std::string& method) {
  MethodSettings settings;
  settings.options = std::make_shared<const core::MethodOptions>();
  auto binding = std::make_shared<MethodBinding>();
  binding->method = method;
  binding->runtime =
      std::make_shared<MethodRuntime>("c", method, nullptr, settings);
  return binding;
}

TEST(BindingCacheTest, KnowsNothingBeforeItIsToldAndThenTheSameBinding) {
  BindingCache cache("c");
  EXPECT_FALSE(cache.Find(1, "/p.S/M").has_value());
  const auto binding = NewBinding("/p.S/M");
  cache.Keep(1, Table(kPolicy), "/p.S/M", binding);
  const auto found = cache.Find(1, "/p.S/M");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*found, binding);
  EXPECT_EQ(binding.use_count(), 2) << "those who find it count elsewhere";
}

TEST(BindingCacheTest, SaysOfAnyNameThatItHasNoPolicy) {
  BindingCache cache("c");
  cache.Keep(1, Table(kPolicy), "/p.T/M", nullptr);
  for (const char* name : {"/p.T/M", "/p.T/Other", "/q.S/M", "", "/"}) {
    const auto found = cache.Find(1, name);
    ASSERT_TRUE(found.has_value()) << name;
    EXPECT_EQ(*found, nullptr) << name;
  }
  EXPECT_FALSE(cache.Find(1, "/p.S/M").has_value()) << "it has one";
}

TEST(BindingCacheTest, AnotherVersionForgetsAll) {
  BindingCache cache("c");
  cache.Keep(1, Table(kPolicy), "/p.S/M", NewBinding("/p.S/M"));
  cache.Keep(1, Table(kPolicy), "/p.T/M", nullptr);
  EXPECT_FALSE(cache.Find(2, "/p.S/M").has_value());
  EXPECT_FALSE(cache.Find(2, "/p.T/M").has_value());
  const auto later = NewBinding("/p.T/M");
  cache.Keep(2, Table("method { name {} }"), "/p.T/M", later);
  EXPECT_EQ(cache.Find(2, "/p.T/M").value_or(nullptr), later);
  EXPECT_FALSE(cache.Find(2, "/p.S/M").has_value());
  // A late thread keeps what it has found by the old policy.
  cache.Keep(1, Table(kPolicy), "/p.S/M", NewBinding("/p.S/M"));
  EXPECT_FALSE(cache.Find(2, "/p.S/M").has_value());
  EXPECT_FALSE(cache.Find(1, "/p.S/M").has_value());
}

TEST(BindingCacheTest, RemembersOnlySoManyStrangers) {
  BindingCache cache("c");
  const auto own = NewBinding("/p.S/M");
  cache.Keep(1, Table(kPolicy), "/p.S/M", own);
  const auto other = NewBinding(kOtherMethod);
  for (size_t i = 0; i < 10 * BindingCache::kMostStrangers; ++i) {
    EXPECT_EQ(cache.Find(1, absl::StrCat("/p.T/M", i)).value_or(own), nullptr);
    cache.Keep(1, Table(kPolicy), absl::StrCat("/p.S/M", i), other);
    ASSERT_LE(cache.size(), BindingCache::kMostStrangers + 1);
  }
  EXPECT_EQ(cache.Find(1, "/p.S/M").value_or(nullptr), own)
      << "not pushed out by strangers";
}

TEST(BindingCacheTest, DoesNotRememberNamesWithoutEnd) {
  BindingCache cache("c");
  const std::string name(BindingCache::kLongestName + 1, 'x');
  cache.Keep(1, Table(kPolicy), name, nullptr);
  EXPECT_EQ(cache.Find(1, name).value_or(NewBinding("")), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

// Policy n has the timeout n, and names one of the services only if n is even.
std::string Policy(int n) {
  return absl::StrCat("method { name { service: \"p.Always\" } timeout: \"", n,
                      "s\" retry {} }",
                      n % 2 == 0
                          ? absl::StrCat("method { name { service: \"p.Even\" }"
                                         " breaker {} timeout: \"",
                                         n, "s\" }")
                          : "");
}

int NumberOf(const MethodBinding& binding) {
  return static_cast<int>(core::ToSeconds(binding.settings->options->timeout));
}

// Makes all threads run one round per policy: they call while it is being set.
class Rounds {
 public:
  void Begin(int round) {
    core::MutexLock lock(&mu_);
    round_ = round;
    changed_.NotifyAll();
  }
  void WaitForBegin(int round) {
    core::MutexLock lock(&mu_);
    while (round_ < round) changed_.Wait(&mu_);
  }
  void Done() {
    core::MutexLock lock(&mu_);
    ++done_;
    changed_.NotifyAll();
  }
  void WaitForDone(int done) {
    core::MutexLock lock(&mu_);
    while (done_ < done) changed_.Wait(&mu_);
  }

 private:
  core::Mutex mu_;
  core::CondVar changed_;
  int round_ ABSL_GUARDED_BY(mu_) = 1;
  int done_ ABSL_GUARDED_BY(mu_) = 0;
};

// More threads than stripes use one channel while policies are swapped. No call
// gets an older policy than the one that was in force when it began.
TEST(BindingCacheTest, NobodyIsBoundToAnOlderPolicyThanHolds) {
  constexpr int kThreads = static_cast<int>(core::kStripes) + 4;
  constexpr int kPolicies = 100;
  EngineOptions options;
  options.log_sink = nullptr;
  auto engine = Engine::FromText(Policy(1), options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto channel = (*engine)->core()->BindChannel("c", {"t"});
  Rounds rounds;
  std::atomic<int> in_force{1};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 2; n <= kPolicies; ++n) {
        rounds.WaitForBegin(n);
        for (int i = 0; i < 50; ++i) {
          const int before = in_force;
          const auto always = channel->Find(absl::StrCat("/p.Always/M", i % 7));
          const auto even = channel->Find("/p.Even/M");
          EXPECT_EQ(channel->Find(absl::StrCat("/p.No/M", t, "_", i)), nullptr);
          if (always == nullptr) {
            ADD_FAILURE() << "it has a policy, always";
            continue;
          }
          EXPECT_GE(NumberOf(*always), before);
          EXPECT_LE(NumberOf(*always), n);
          if (even != nullptr) {
            EXPECT_GE(NumberOf(*even), before);
            EXPECT_LE(NumberOf(*even), n);
          } else {
            EXPECT_TRUE(before % 2 == 1 || n % 2 == 1) << before << " " << n;
          }
        }
        rounds.Done();
      }
    });
  }
  for (int n = 2; n <= kPolicies; ++n) {
    rounds.Begin(n);
    EXPECT_TRUE((*engine)->SetPolicyText(Policy(n)).ok());
    in_force = n;
    rounds.WaitForDone(kThreads * (n - 1));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(NumberOf(*channel->Find("/p.Even/M")), kPolicies);
}

}  // namespace
}  // namespace firebreak::engine
