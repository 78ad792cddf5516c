// Which thread owns a call, and which one handles its mail.
#include "interceptors/driven/mailbox.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace firebreak::interceptors {
namespace {

using Posted = Mailbox::Posted;

// Returns the owner's next mail, or null if there is none. Then the box is
// free.
Mail* TakeOrLeave(Mailbox* box) {
  for (;;) {
    if (Mail* mail = box->Next()) return mail;
    if (!box->Fetch() && box->Leave()) return nullptr;
  }
}

TEST(MailboxTest, IsOwnedByWhoMadeItUntilThatLeaves) {
  Mailbox box;
  Mail a(1);
  EXPECT_EQ(box.Post(&a), Posted::kLeftThere);
  EXPECT_FALSE(box.Leave());
  EXPECT_EQ(TakeOrLeave(&box), &a);
  EXPECT_EQ(TakeOrLeave(&box), nullptr);
  EXPECT_EQ(box.Post(&a), Posted::kYouOwnIt);
}

TEST(MailboxTest, WhoFindsItFreeOwnsIt) {
  Mailbox box;
  ASSERT_TRUE(box.Leave());
  Mail a(1);
  Mail b(2);
  EXPECT_EQ(box.Post(&a), Posted::kYouOwnIt);
  EXPECT_EQ(box.Post(&b), Posted::kLeftThere);
  EXPECT_EQ(TakeOrLeave(&box), &a);
  EXPECT_EQ(TakeOrLeave(&box), &b);
  EXPECT_EQ(TakeOrLeave(&box), nullptr);
  EXPECT_EQ(box.Post(&b), Posted::kYouOwnIt);
}

TEST(MailboxTest, MailComesInTheOrderItWasPosted) {
  Mailbox box;
  std::array<Mail, 4> mail = {Mail(0), Mail(1), Mail(2), Mail(3)};
  for (int n : {2, 0, 3}) box.Post(&mail[static_cast<size_t>(n)]);
  EXPECT_EQ(TakeOrLeave(&box), &mail[2]);
  // Mail that is posted after a fetch comes after the fetched mail.
  box.Post(&mail[1]);
  EXPECT_EQ(TakeOrLeave(&box), &mail[0]);
  EXPECT_EQ(TakeOrLeave(&box), &mail[3]);
  EXPECT_EQ(TakeOrLeave(&box), &mail[1]);
  EXPECT_EQ(TakeOrLeave(&box), nullptr);
}

TEST(MailboxTest, TheSameNewsIsThereOnce) {
  Mailbox box;
  Mail news(7);
  EXPECT_EQ(box.Post(&news), Posted::kLeftThere);
  EXPECT_EQ(box.Post(&news), Posted::kLeftThere);
  ASSERT_TRUE(box.Fetch());
  EXPECT_EQ(box.Next()->kind, 7);
  EXPECT_EQ(box.Next(), nullptr);
  // Once taken, it may be posted again, even while it is handled.
  box.Post(&news);
  ASSERT_TRUE(box.Fetch());
  EXPECT_EQ(box.Next(), &news);
}

TEST(MailboxTest, AnOwnerThatWaitsIsRungOnceForEachFetch) {
  Mailbox box;
  Mail a(1);
  Mail b(2);
  EXPECT_FALSE(box.Wait());
  EXPECT_EQ(box.Post(&a), Posted::kRing);
  EXPECT_EQ(box.Post(&b), Posted::kLeftThere);
  ASSERT_TRUE(box.Fetch());
  EXPECT_EQ(box.Next(), &a);
  // The ring was handled, and all mail was taken. The next mail rings again,
  // and waits until that ring is handled.
  EXPECT_EQ(box.Post(&a), Posted::kRing);
  EXPECT_EQ(box.Next(), &b);
  EXPECT_EQ(box.Next(), nullptr);
  EXPECT_FALSE(box.Leave());
  ASSERT_TRUE(box.Fetch());
  EXPECT_EQ(box.Next(), &a);
  EXPECT_TRUE(box.Leave());
  EXPECT_EQ(box.Post(&b), Posted::kYouOwnIt);
}

TEST(MailboxTest, MailFromBeforeTheWaitIsNotRungFor) {
  Mailbox box;
  Mail a(1);
  Mail b(2);
  EXPECT_EQ(box.Post(&a), Posted::kLeftThere);
  EXPECT_TRUE(box.Wait());
  EXPECT_EQ(box.Post(&b), Posted::kRing);
  EXPECT_EQ(box.Next(), &a);
  EXPECT_EQ(box.Next(), nullptr);
}

// There is one owner at a time, and no mail is lost, in any order of threads.
TEST(MailboxTest, ManyPostersOneOwner) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  Mailbox box;
  ASSERT_TRUE(box.Leave());
  std::atomic<int> owners{0};
  int handled = 0;  // only the owner changes it
  auto post = [&](std::vector<std::unique_ptr<Mail>>* mail) {
    for (auto& each : *mail) {
      if (box.Post(each.get()) != Posted::kYouOwnIt) continue;
      EXPECT_EQ(owners.fetch_add(1), 0);
      do {
        box.Fetch();
        while (Mail* next = box.Next()) handled += next->kind;
        EXPECT_EQ(owners.fetch_sub(1), 1);
        if (box.Leave()) break;
        EXPECT_EQ(owners.fetch_add(1), 0);
      } while (true);
    }
  };
  std::vector<std::vector<std::unique_ptr<Mail>>> mail(kThreads);
  for (auto& each : mail) {
    for (int i = 0; i < kRounds; ++i) each.push_back(std::make_unique<Mail>(1));
  }
  std::vector<std::thread> threads;
  for (auto& each : mail) threads.emplace_back(post, &each);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(handled, kThreads * kRounds);
}

}  // namespace
}  // namespace firebreak::interceptors
