// A value that all threads write, kept in several copies that few threads
// share.
//
//   Striped<Counters> counters;
//   if (auto mine = counters.TryHold()) mine->Add(1);      // exclusive
//   counters.ForEachFree([&](Counters* c) { sum += c->Get(); });
//
// Two cores that write the same cache line in turn pay about fifty nanoseconds
// each time, with a lock or without. So each thread counts into its own stripe,
// and a reader adds the stripes up. Threads get numbers in the order in which
// they come; if there are more than kStripes, they share stripes, and only
// contend if they write at the same moment.
//
// Striped<T> is for a T that is not atomic itself. One thread holds a stripe at
// a time, and no thread ever waits for one: a thread that finds a stripe taken
// uses the next one, or none. So a thread that is suspended while it holds a
// stripe cannot block another one, whatever their priorities are.
//
// Thread safety: safe from any thread. Hold a stripe for a few instructions
// only, and take no lock meanwhile. Memory: kStripes times T, each on its own
// cache lines.
#ifndef FIREBREAK_SRC_CORE_BASE_STRIPED_H_
#define FIREBREAK_SRC_CORE_BASE_STRIPED_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace firebreak::core {

// About as many as the cores that work on one method at the same time.
inline constexpr size_t kStripes = 8;
inline constexpr size_t kCacheLine = 64;

// The index of this thread's stripe, the same each time.
inline size_t MyStripe() {
  // Threads are numbered in turn, since hashed addresses or ids could put two
  // busy threads on one stripe. Relaxed: the order of the numbers does not
  // matter.
  static std::atomic<size_t> threads{0};
  thread_local const size_t mine =
      threads.fetch_add(1, std::memory_order_relaxed) % kStripes;
  return mine;
}

// A second reference count for the same object, on its own cache line, so that
// threads that copy and drop references often do not contend for one counter.
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
      // Release: the next holder sees everything that was done here.
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
    // Acquire: sees everything that the previous holder did. If the stripe is
    // taken, nothing is read from it.
    explicit Hold(Stripe* stripe)
        : stripe_(stripe->is_taken.exchange(true, std::memory_order_acquire)
                      ? nullptr
                      : stripe) {}

    Stripe* stripe_;
  };

  Striped() = default;
  Striped(const Striped&) = delete;
  Striped& operator=(const Striped&) = delete;

  // This thread's stripe; empty while another thread holds it.
  Hold TryHold() { return Hold(&stripes_[MyStripe()]); }
  // The n-th of kStripes.
  Hold TryHold(size_t n) { return Hold(&stripes_[n]); }
  // This thread's stripe, or the next that is free; empty when none is.
  Hold TryHoldAny() {
    return TryHoldAny([](const T&) { return true; });
  }
  // The same, among the stripes for which `fits` is true.
  template <class Fits>
  Hold TryHoldAny(const Fits& fits) {
    const size_t mine = MyStripe();
    for (size_t i = 0; i < kStripes; ++i) {
      Hold hold = Hold(&stripes_[(mine + i) % kStripes]);
      if (hold && fits(*hold)) return hold;
    }
    return Hold();
  }
  // Calls `function` for each stripe in turn, except those that are held now.
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
