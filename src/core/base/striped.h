// What all threads write, in a copy for each few of them.
//
//   Striped<Counters> counters;
//   if (auto mine = counters.TryHold()) mine->Add(1);      // nobody else's now
//   counters.ForEachFree([&](Counters* c) { sum += c->Get(); });
//
// Two cores that write one cache line in turn pay some fifty nanoseconds each
// time, with a lock or without. So what a call counts goes into the stripe of
// its thread, and is put together when somebody asks. Threads are numbered in
// turn as they come: more than kStripes share stripes, and two of the same
// stripe meet there only when both write at the same moment.
//
// Striped<T> is for a T that is not atomic by itself. It is held by one thread
// at a time, and nobody ever waits for it: who finds a stripe taken goes to the
// next one, or does without. So no thread that was stopped while it held a
// stripe can stop another one, whatever their priorities are.
//
// Thread safety: safe from any thread. Hold it for a few instructions, and take
// no lock meanwhile. Memory: kStripes times T, each on cache lines of its own.
#ifndef FIREBREAK_SRC_CORE_BASE_STRIPED_H_
#define FIREBREAK_SRC_CORE_BASE_STRIPED_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace firebreak::core {

// As many as the cores that work on one method at a time, mostly.
inline constexpr size_t kStripes = 8;
inline constexpr size_t kCacheLine = 64;

// Of this thread, the same each time.
inline size_t MyStripe() {
  // Numbers in turn, since addresses and ids that are hashed would let two
  // threads meet by bad luck. Nothing is decided by it but who meets whom, so
  // the order of the numbers is of no interest: relaxed.
  static std::atomic<size_t> threads{0};
  thread_local const size_t mine =
      threads.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

// Another count of references to the same object, on a cache line of its own:
// those who take and drop references all the time do not meet on one counter.
template <class T>
std::shared_ptr<T> NewShare(std::shared_ptr<T> whole) {
  struct alignas(kCacheLine) Keeper {
    std::shared_ptr<T> whole;
  };
  T* const object = whole.get();
  return std::shared_ptr<T>(std::make_shared<Keeper>(Keeper{std::move(whole)}),
                            object);
}

template <class T>
class Striped {
 private:
  struct alignas(kCacheLine) Stripe {
    std::atomic<bool> is_taken{false};
    T value{};
  };

 public:
  // The right to use one stripe, or none.
  class Hold {
   public:
    Hold(Hold&& other) noexcept
        : stripe_(std::exchange(other.stripe_, nullptr)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      // Release: who takes it next sees all that was done here.
      if (stripe_ != nullptr) {
        stripe_->is_taken.store(false, std::memory_order_release);
      }
    }
    explicit operator bool() const { return stripe_ != nullptr; }
    T* operator->() const { return &stripe_->value; }
    T& operator*() const { return stripe_->value; }
    T* get() const { return &stripe_->value; }

   private:
    friend class Striped;
    Hold() : stripe_(nullptr) {}
    // Acquire: sees what the one before has done. One that finds it taken has
    // seen nothing, and looks at nothing.
    explicit Hold(Stripe* stripe)
        : stripe_(stripe->is_taken.exchange(true, std::memory_order_acquire)
                      ? nullptr
                      : stripe) {}

    Stripe* stripe_;
  };

  Striped() = default;
  Striped(const Striped&) = delete;
  Striped& operator=(const Striped&) = delete;

  // This thread's stripe; empty while another thread has it.
  Hold TryHold() { return Hold(&stripes_[MyStripe()]); }
  // The n-th of kStripes.
  Hold TryHold(size_t n) { return Hold(&stripes_[n]); }
  // This thread's stripe, or the next that is free; empty when none is.
  Hold TryHoldAny() {
    return TryHoldAny([](const T&) { return true; });
  }
  // The same, of those that `fits`.
  template <class Fits>
  Hold TryHoldAny(const Fits& fits) {
    const size_t mine = MyStripe();
    for (size_t i = 0; i < kStripes; ++i) {
      Hold hold = Hold(&stripes_[(mine + i) % kStripes]);
      if (hold && fits(*hold)) return hold;
    }
    return Hold();
  }
  // One after the other, but for those that others have just now.
  template <class Function>
  void ForEachFree(Function function) {
    for (Stripe& stripe : stripes_) {
      if (Hold hold{&stripe}) function(hold.get());
    }
  }

 private:
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_STRIPED_H_
