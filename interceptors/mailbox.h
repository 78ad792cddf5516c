// One owner at a time: whoever has a call decides and acts, everybody else
// sends it mail.
//
//   Mailbox box;                         // owned by who made it
//   do {
//     while (box.Fetch()) while (Mail* next = box.Next()) Handle(next);
//   } while (!box.Leave());
//   ...
//   if (box.Post(&mail) == Mailbox::Posted::kYouOwnIt) ...   // the same
//
// So what happens to a call happens in one loop, in the order it came, without
// a lock around it: a thread that finds the call taken leaves its mail and goes
// on with its own work.
//
// An owner may also keep the box while it waits for something else, as a thread
// does that waits for its own synchronous call. Who posts the first mail then
// rings a bell, and the owner fetches mail once for each ring that it has
// heard: so no ring is left that somebody else would hear.
//
//   if (box.Wait()) while (Mail* next = box.Next()) Handle(next);
//   do {
//     bell.Wait();
//     box.Fetch();
//     while (Mail* next = box.Next()) Handle(next);
//   } while (!done || !box.Leave());
//
// Mail is part of what it tells of, and is in the box once at a time: what is
// posted again before it was taken is the same news.
//
// Thread safety: Post() from any thread; the rest is the owner's.
// Ownership: none; mail and box live while somebody may touch them.
#ifndef FIREBREAK_INTERCEPTORS_MAILBOX_H_
#define FIREBREAK_INTERCEPTORS_MAILBOX_H_

#include <atomic>
#include <cstdint>

namespace firebreak::interceptors {

class Mail {
 public:
  explicit Mail(int what) : kind(what) {}
  Mail(const Mail&) = delete;
  Mail& operator=(const Mail&) = delete;

  const int kind;  // of its recipient's choice

 private:
  friend class Mailbox;
  std::atomic<bool> is_posted_{false};
  Mail* next_ = nullptr;
};

class Mailbox {
 public:
  enum class Posted {
    kYouOwnIt,   // nobody had it: take what is there
    kRing,       // the owner waits for the bell
    kLeftThere,  // the owner has mail to look at already
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

  // From now on a first mail is worth a ring. True: there was some before.
  bool Wait() {
    state_ = kWaits;
    std::uintptr_t seen = kOwned;
    return !head_.compare_exchange_strong(seen, kWaits) && Fetch();
  }

  // Takes all mail out of the box. False: there is none.
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

  // Of what was fetched, in the order it came.
  Mail* Next() {
    Mail* const first = fetched_;
    if (first == nullptr) return nullptr;
    fetched_ = first->next_;
    first->is_posted_.store(false);
    return first;
  }

  // False when there is mail. Nothing that was fetched is left.
  bool Leave() {
    std::uintptr_t seen = state_;
    return head_.compare_exchange_strong(seen, kFree);
  }

 private:
  // Else the address of the mail that came last, whose owner has not looked.
  static constexpr std::uintptr_t kFree = 0;
  static constexpr std::uintptr_t kOwned = 1;
  static constexpr std::uintptr_t kWaits = 2;

  std::atomic<std::uintptr_t> head_{kOwned};
  // The owner's.
  std::uintptr_t state_ = kOwned;
  Mail* fetched_ = nullptr;
};

}  // namespace firebreak::interceptors

#endif  // FIREBREAK_INTERCEPTORS_MAILBOX_H_
