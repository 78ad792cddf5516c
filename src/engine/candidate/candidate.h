// A policy beside the live one: its decisions are computed on the same calls
// and counted, and never acted on.
//
//   auto candidate = std::make_shared<Candidate>(facts, table, seed, clock);
//   binding->candidate = candidate->Bind("payment", "/p.S/M", targets);
//   ... calls: candidate_call.h ...
//   for (const auto& method : candidate->Methods()) method->tally.counts();
//
// It is a registry of methods like the live one (method_registry.h): the same
// breakers, budgets and admission control, with state of their own, so a method
// means in it what it would mean in force. They tell nobody: the events of its
// breakers are in a log of its own, and neither connections nor health checks
// are made for them, so calls look in their place.
//
// A call begins and ends with the candidate that its binding has, whatever is
// set, cleared or promoted meanwhile.
//
// Thread safety: safe from any thread. Ownership: shared by who set it and by
// each binding. It goes when the last channel has made its bindings anew, which
// a thread does with its next call: an idle channel keeps it, and its last call
// destroys it.
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

// A method of a candidate: what it is there, and what has been counted.
struct CandidateMethod {
  std::shared_ptr<MethodRuntime> runtime;
  Tally tally;
};

// The part of a MethodBinding that belongs to the candidate.
struct CandidateBinding {
  // Keeps what the others point to.
  std::shared_ptr<Candidate> candidate;
  MethodBinding binding;
  CandidateMethod* method = nullptr;
};

class Candidate : public std::enable_shared_from_this<Candidate> {
 public:
  // Which it is. All of it is told to operators.
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

  // Null where the candidate does not name the method: its calls would pass
  // untouched.
  std::shared_ptr<const CandidateBinding> Bind(
      const std::string& channel, const std::string& method,
      const std::vector<std::string>& targets);

  // Those that have been called since it was set, by channel and method.
  std::vector<const CandidateMethod*> Methods() const;
  // The same of one; null if it has not been called.
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
