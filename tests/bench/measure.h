// Runs the operation of a row of core_bench over and over, and counts what it
// takes from the heap.
#ifndef FIREBREAK_TESTS_BENCH_MEASURE_H_
#define FIREBREAK_TESTS_BENCH_MEASURE_H_

#include <benchmark/benchmark.h>

#include <cstdint>

namespace firebreak::bench {

// How often this program has called operator new so far.
int64_t HeapCalls();

// Runs the loop. A row with one thread then runs some more of it, and reports
// how often that took something from the heap.
template <class Operation>
void Measure(benchmark::State& state, Operation operation) {
  for (auto _ : state) operation();
  if (state.threads() > 1) return;
  constexpr int kMore = 10'000;
  const int64_t before = HeapCalls();
  for (int i = 0; i < kMore; ++i) operation();
  state.counters["allocs"] = static_cast<double>(HeapCalls() - before) / kMore;
}

// These are in call_bench.cc: what the engine does for a call besides what the
// core decides.
void NoPolicyCall(benchmark::State& state);
void FindBinding(benchmark::State& state);
void GuardedCall(benchmark::State& state);
void CandidateCall(benchmark::State& state);

}  // namespace firebreak::bench

#endif  // FIREBREAK_TESTS_BENCH_MEASURE_H_
