// Gives an object one owner at a time: the owner decides and acts, and every
// other thread sends it mail.
//
//   Mailbox box;                         // its maker owns it
//   do {
//     while (box.Fetch()) while (Mail* next = box.Next()) Handle(next);
//   } while (!box.Leave());
//   ...
//   if (box.Post(&mail) == Mailbox::Posted::kYouOwnIt) ...   // the same loop
//
// So all events of a call are handled in one loop, in the order they came, and
// without a lock around it. A thread that finds the call owned leaves its mail
// and goes on with its own work.
//
// An owner may also keep the box while it waits for something else, as the
// thread does that waits for its own synchronous call. The thread that posts
// the first mail then rings a bell. The owner fetches mail once for each ring
// that it has heard, so that no ring is left for the next user of the bell.
//
//   if (box.Wait()) while (Mail* next = box.Next()) Handle(next);
//   do {
//     bell.Wait();
//     box.Fetch();
//     while (Mail* next = box.Next()) Handle(next);
//   } while (!done || !box.Leave());
//
// Mail is a member of the object that it is about, and is in the box at most
// once. Posting it again before the owner has taken it changes nothing.
//
// Thread safety: Post() may be called from any thread, the rest only by the
// owner. Ownership: none. Mail and box must live as long as any thread may
// touch them.
#ifndef FIREBREAK_INTERCEPTORS_DRIVEN_MAILBOX_H_
#define FIREBREAK_INTERCEPTORS_DRIVEN_MAILBOX_H_

#include <atomic>
#include <cstdint>

namespace firebreak::interceptors {

class Mail {
 public:
  explicit Mail(int what) : kind(what) {}
  Mail(const Mail&) = delete;
  Mail& operator=(const Mail&) = delete;

  const int kind;  // chosen by the recipient

 private:
  friend class Mailbox;
  std::atomic<bool> is_posted_{false};
  Mail* next_ = nullptr;
};

class Mailbox {
 public:
  enum class Posted {
    kYouOwnIt,   // the box was free: fetch the mail
    kRing,       // the owner waits: ring the bell
    kLeftThere,  // the owner will find the mail
  };

  Posted Post(Mail* mail) {
    if (mail->is_posted_.exchange(true)) return Posted::kLeftThere;
    std::uintptr_t seen = head_.load();
    do {
      mail->next_ = seen > kWaits ? reinterpret_cast<Mail*>(seen) : nullptr;
    } while (!head_.compare_exchange_weak(
        seen, reinterpret_cast<std::uintptr_t>(mail)));
    if (seen == kFree) {
      state_ = kOwned;
      return Posted::kYouOwnIt;
    }
    return seen == kWaits ? Posted::kRing : Posted::kLeftThere;
  }

  // After this call, posting the first mail returns kRing. Returns true if
  // there was mail before, which is then fetched.
  bool Wait() {
    state_ = kWaits;
    std::uintptr_t seen = kOwned;
    return !head_.compare_exchange_strong(seen, kWaits) && Fetch();
  }

  // Takes all mail out of the box. Returns false if there is none.
  bool Fetch() {
    if (head_.load() <= kWaits) return false;
    auto* mail = reinterpret_cast<Mail*>(head_.exchange(state_));
    Mail* rest = fetched_;  // the last to come is on top
    while (mail != nullptr) {
      Mail* const next = mail->next_;
      mail->next_ = rest;
      rest = mail;
      mail = next;
    }
    fetched_ = rest;
    return true;
  }

  // Returns the fetched mail one by one in the order it came, and then null.
  Mail* Next() {
    Mail* const first = fetched_;
    if (first == nullptr) return nullptr;
    fetched_ = first->next_;
    first->is_posted_.store(false);
    return first;
  }

  // Gives the box up, or returns false if there is new mail. Everything that
  // was fetched must have been taken with Next().
  bool Leave() {
    std::uintptr_t seen = state_;
    return head_.compare_exchange_strong(seen, kFree);
  }

 private:
  // Any other value is the address of the mail that came last, which the owner
  // has not fetched yet.
  static constexpr std::uintptr_t kFree = 0;
  static constexpr std::uintptr_t kOwned = 1;
  static constexpr std::uintptr_t kWaits = 2;

  std::atomic<std::uintptr_t> head_{kOwned};
  // Only the owner reads or writes these.
  std::uintptr_t state_ = kOwned;
  Mail* fetched_ = nullptr;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_DRIVEN_MAILBOX_H_
