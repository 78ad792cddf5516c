// Memory for objects of one class that come and go with each call. It mostly
// avoids the heap.
//
//   class Strip final : public Interceptor, public Recycled<Strip> { ... };
//   Interceptor* one = new Strip(core);   // uses this thread's spare memory
//   delete one;                           // becomes the deleting thread's
//
// Each thread keeps the memory of the last kMost objects that it has deleted,
// and frees it when the thread ends. A thread that only makes such objects
// finds no spare memory and uses the heap. A thread that only deletes them
// keeps at most kMost. So memory use does not grow, whichever threads make and
// delete.
//
// Under AddressSanitizer spare memory is poisoned, so that a use after delete
// is still found.
//
// Thread safety: safe from any thread, also while a thread or the process ends.
#ifndef FIREBREAK_SRC_CORE_BASE_RECYCLED_H_
#define FIREBREAK_SRC_CORE_BASE_RECYCLED_H_

#include <cstddef>
#include <new>

#include "absl/base/config.h"

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace firebreak::core {

// `T` must be final, so that all its objects have the same size.
template <class T>
class Recycled {
 public:
  static void* operator new(std::size_t size) {
    Spare* const spare = t_spares;
    if (spare == nullptr) return ::operator new(Room(size));
    Unpoison(spare, size);
    t_spares = spare->next;
    --t_count;
    return spare;
  }
  static void operator delete(void* object, std::size_t size) {
    if (t_count >= kMost) {
      ::operator delete(object);
      return;
    }
    // The first use of t_cleaner makes the thread run its destructor at the
    // end, which frees the spare memory.
    if (t_spares == nullptr) t_cleaner.Want();
    t_spares = new (object) Spare{t_spares};
    ++t_count;
    Poison(object, size);
  }

 private:
  // About the most calls that one thread has in flight at once, where recycling
  // is worthwhile.
  static constexpr int kMost = 64;

  struct Spare {
    Spare* next;
  };
  static constexpr std::size_t Room(std::size_t size) {
    return size < sizeof(Spare) ? sizeof(Spare) : size;
  }

  // Frees the thread's spare memory. What later destructors delete goes to the
  // heap.
  struct Cleaner {
    void Want() {}
    ~Cleaner() {
      while (Spare* const spare = t_spares) {
        Unpoison(spare, sizeof(T));
        t_spares = spare->next;
        ::operator delete(spare);
      }
      t_count = kMost;
    }
  };

#ifdef ABSL_HAVE_ADDRESS_SANITIZER
  // Does not poison the first word, which points to the next one: the leak
  // checker does not follow poisoned memory.
  static void Poison(void* p, std::size_t size) {
    if (size <= sizeof(Spare)) return;
    __asan_poison_memory_region(static_cast<char*>(p) + sizeof(Spare),
                                size - sizeof(Spare));
  }
  static void Unpoison(void* p, std::size_t size) {
    __asan_unpoison_memory_region(p, size);
  }
#else
  static void Poison(void* /*p*/, std::size_t /*size*/) {}
  static void Unpoison(void* /*p*/, std::size_t /*size*/) {}
#endif

  // The first two have no destructors, so that they may be used until the very
  // end of the thread.
  static thread_local Spare* t_spares;
  static thread_local int t_count;
  static thread_local Cleaner t_cleaner;
};

template <class T>
thread_local typename Recycled<T>::Spare* Recycled<T>::t_spares = nullptr;
template <class T>
thread_local int Recycled<T>::t_count = 0;
template <class T>
thread_local typename Recycled<T>::Cleaner Recycled<T>::t_cleaner;

// The same for objects that are owned by a shared_ptr:
//
//   auto call = std::allocate_shared<Call>(RecyclingAllocator<Call>(), ...);
template <class T>
class RecyclingAllocator {
 public:
  using value_type = T;

  RecyclingAllocator() = default;
  template <class U>
  RecyclingAllocator(const RecyclingAllocator<U>&) {}  // NOLINT: by contract

  T* allocate(std::size_t /*one*/) {
    return static_cast<T*>(Block::operator new(sizeof(Block)));
  }
  void deallocate(T* object, std::size_t /*one*/) {
    Block::operator delete(object, sizeof(Block));
  }

  template <class U>
  friend bool operator==(const RecyclingAllocator&,
                         const RecyclingAllocator<U>&) {
    return true;
  }
  template <class U>
  friend bool operator!=(const RecyclingAllocator&,
                         const RecyclingAllocator<U>&) {
    return false;
  }

 private:
  // allocate_shared() asks for one block, which holds the object and its
  // counts.
  struct Block final : Recycled<Block> {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    alignas(T) unsigned char room[sizeof(T)];
  };
};

}  // namespace firebreak::core

#endif  // FIREBREAK_SRC_CORE_BASE_RECYCLED_H_
