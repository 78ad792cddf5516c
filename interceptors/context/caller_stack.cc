#include "interceptors/context/caller_stack.h"

#include <pthread.h>

#include <cstddef>
#include <cstdint>

// A function of ASan's runtime, if that is linked. It returns a non-null
// pointer while local variables of the calling thread may live on the heap,
// where ASan finds their use after return.
extern "C" __attribute__((weak)) void* __asan_get_current_fake_stack();

namespace firebreak::interceptors {
namespace {

struct Stack {
  std::uintptr_t low = 0;
  std::uintptr_t high = 0;
};

// Returns the range of the thread's own stack, or an empty one if it is not
// known.
Stack FindStack() {
  Stack stack;
#ifdef __GLIBC__
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return stack;
  void* low = nullptr;
  std::size_t size = 0;
  if (pthread_attr_getstack(&attributes, &low, &size) == 0) {
    stack.low = reinterpret_cast<std::uintptr_t>(low);
    stack.high = stack.low + size;
  }
  pthread_attr_destroy(&attributes);
#endif
  return stack;
}

// Computed once for each thread, since for the main thread glibc reads
// /proc/self/maps.
const Stack& OwnStack() {
  thread_local const Stack stack = FindStack();
  return stack;
}

}  // namespace

CallerStack CallerStack::Current() {
  CallerStack out;
#if defined(__has_feature)
#if __has_feature(safe_stack)
  return out;  // locals with an address live elsewhere
#endif
#endif
  const Stack& stack = OwnStack();
  const auto here =
      reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const bool is_fake = &__asan_get_current_fake_stack != nullptr &&
                       __asan_get_current_fake_stack() != nullptr;
  if (stack.low <= here && here < stack.high && !is_fake) {
    out.low_ = stack.low;
    out.high_ = stack.high;
  }
  return out;
}

bool LivesOnThisStack(const void* object) {
  const Stack& stack = OwnStack();
  // Stacks grow downwards, so the local variables of our callers are above our
  // frame.
  const auto here =
      reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const auto there = reinterpret_cast<std::uintptr_t>(object);
  return stack.low <= here && here < there && there < stack.high;
}

}  // namespace firebreak::interceptors
