// The variants that are compared: channels that hedge in different ways, or not
// at all.
//
//   Variant two{"live_2"};
//   two.hedges = 2;
//   two.quantile = 0.9;
//   std::unique_ptr<Subject> subject = MakeSubject(two, /*budget=*/0.15,
//                                                  addresses);
//   Block block = subject->Run(work);
//
// Each has connections of its own, so that none profits from another's. Each
// caller is a thread with a synchronous stub, and makes its next call when the
// last has ended (a closed loop).
//
// Thread safety: none; Run() starts and ends the threads it needs.
#ifndef FIREBREAK_TESTS_BENCH_HEDGING_VARIANTS_H_
#define FIREBREAK_TESTS_BENCH_HEDGING_VARIANTS_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "firebreak/engine.h"
#include "tests/bench/hedging/ideal.h"
#include "tests/bench/hedging/leaf.h"

namespace firebreak::bench {

struct Variant {
  std::string name;
  int hedges = 0;       // 0: a channel without firebreak
  double delay_ms = 0;  // between attempts; 0: after the live quantile
  double quantile = 0;
  // All attempts go to one server. Where the first is a straggler, each further
  // one is one with probability `rho`.
  bool one_backend = false;
  double rho = kStragglers;

  // The firebreak policy; empty without hedges.
  std::string Policy(double budget) const;
  // The best that this number of hedges can do at this extra load.
  Ideal IdealAt(double extra) const;
};

// The calls of a block, and how many callers make them.
struct Work {
  int variant = 0;  // its number, for the server
  int64_t first = 0;
  int64_t calls = 0;
  int callers = 20;
};

struct Block {
  std::vector<int64_t> latencies_ns;  // of each call, in order of number
  int64_t wall_ns = 0;
  int64_t cpu_ns = 0;  // of the client's process
  int64_t failed = 0;
};

// What firebreak itself has counted.
struct Counted {
  int64_t hedges = 0;
  int64_t wins = 0;
  int64_t refused = 0;  // hedges that were due but not sent
};

class Subject {
 public:
  Subject(Variant variant, std::shared_ptr<Engine> engine,
          std::shared_ptr<grpc::Channel> channel);

  const Variant& variant() const { return variant_; }
  const std::shared_ptr<Engine>& engine() const { return engine_; }
  Block Run(const Work& work);
  Counted counted() const;

 private:
  const Variant variant_;
  const std::shared_ptr<Engine> engine_;  // null without firebreak
  const std::shared_ptr<grpc::Channel> channel_;
};

// Returns null if firebreak rejects the policy, with the reason on stderr.
std::unique_ptr<Subject> MakeSubject(const Variant& variant, double budget,
                                     const std::vector<std::string>& addresses);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_HEDGING_VARIANTS_H_
