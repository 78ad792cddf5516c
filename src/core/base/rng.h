// A seeded random number generator, passed in so that every run can be
// repeated.
//
//   Rng rng(seed);
//   Duration wait = Scale(cap, rng.Uniform());
//
// splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
// generators", OOPSLA 2014): eight bytes of state, so that each call can own
// one. Not for secrets. Not thread-safe.
#ifndef FIREBREAK_SRC_CORE_BASE_RNG_H_
#define FIREBREAK_SRC_CORE_BASE_RNG_H_

#include <cstdint>

namespace firebreak::core {

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  // In [low, high).
  double Uniform(double low, double high) {
    return low + (high - low) * Uniform();
  }

 private:
  uint64_t state_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_RNG_H_
