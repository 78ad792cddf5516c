// A candidate policy, which runs beside the live one: its decisions about the
// same calls are computed and counted, but never acted on.
//
//   auto candidate = std::make_shared<Candidate>(facts, table, max_methods,
//                                                seed, clock);
//   binding->candidate = candidate->Bind("payment", "/p.S/M", targets);
//   ... calls: candidate_call.h ...
//   for (const auto& method : candidate->Methods()) method->tally.counts();
//
// It has a registry of methods of its own (method_registry.h), with the same
// kinds of breakers, budgets and admission control as the live one, but with
// separate state. So it treats a method as it would if it were in force. Its
// breakers have no effect outside: their events go to a log of its own, and no
// connection is restored and no health check is sent for them. A breaker that
// asks for health checks therefore probes with calls, but not before
// open_duration has passed without a check (target_health.h).
//
// A call keeps the candidate of its binding until it ends, even if another one
// is set, or this one is cleared or promoted, meanwhile.
//
// Thread safety: safe from any thread. Ownership: shared by the CandidateStore
// and by each binding. Once the store has dropped it, a channel drops it when
// it makes new bindings, which happens at a thread's next call. So an idle
// channel keeps it alive, and so does a call in flight.
#ifndef FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_H_
#define FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "src/core/base/mutex.h"
#include "src/core/measure/event_log.h"
#include "src/engine/candidate/tally.h"
#include "src/engine/io/clock.h"
#include "src/engine/method_registry.h"
#include "src/engine/method_runtime.h"
#include "src/engine/policy/policy_table.h"

namespace firebreak::engine {

class Candidate;

// A method under the candidate: its state there, and what has been counted.
struct CandidateMethod {
  std::shared_ptr<MethodRuntime> runtime;
  Tally tally;
};

// The part of a MethodBinding that belongs to the candidate.
struct CandidateBinding {
  // Keeps alive what the other members point to.
  std::shared_ptr<Candidate> candidate;
  MethodBinding binding;
  CandidateMethod* method = nullptr;
};

class Candidate : public std::enable_shared_from_this<Candidate> {
 public:
  // Identifies the candidate. Operators see all of these.
  struct Facts {
    uint64_t id = 0;            // 1, 2, ... in the order they were set
    uint64_t live_version = 0;  // of the live policy when it was set
    std::string source;         // who set it
    std::chrono::system_clock::time_point since;
  };

  Candidate(Facts which, const PolicyTable& policy, std::size_t max_methods,
            uint64_t seed, const EngineClock& clock);

  const Facts facts;
  const PolicyTable policy;

  // Returns null if the candidate does not name the method: its calls would
  // pass untouched.
  std::shared_ptr<const CandidateBinding> Bind(
      const std::string& channel, const std::string& method,
      const std::vector<std::string>& targets);

  // Returns the methods that have been called since the candidate was set,
  // sorted by channel and method.
  std::vector<const CandidateMethod*> Methods() const;
  // Returns one of these, or null if the method has not been called since then.
  const CandidateMethod* Find(const std::string& channel,
                              const std::string& method) const;

 private:
  core::EventLog events_;
  MethodRegistry registry_;
  mutable core::Mutex mu_;
  std::map<std::pair<std::string, std::string>,
           std::unique_ptr<CandidateMethod>>
      methods_ ABSL_GUARDED_BY(mu_);
};

}  // namespace firebreak::engine

#endif  // FIREBREAK_SRC_ENGINE_CANDIDATE_CANDIDATE_H_
