// Objects that are created and deleted with each call, without the heap.
#include "src/core/base/recycled.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace firebreak::core {
namespace {

class Base {
 public:
  virtual ~Base() = default;
};
// As large as an interceptor, and deleted through its base, as by gRPC.
class Thing final : public Base, public Recycled<Thing> {
 public:
  int value = 42;
};

TEST(RecycledTest, TheNextOneHasTheMemoryOfTheLast) {
  std::unique_ptr<Base> first = std::make_unique<Thing>();
  const Base* const where = first.get();
  first.reset();
  const auto second = std::make_unique<Thing>();
  EXPECT_EQ(second.get(), where);
  EXPECT_EQ(second->value, 42);
  EXPECT_NE(std::make_unique<Thing>().get(), where) << "it is in use";
}

TEST(RecycledTest, OnesThatAreThereAtOnceAreApart) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Base>> all;
    std::set<const Base*> places;
    for (int i = 0; i < 1000; ++i) {
      all.push_back(std::make_unique<Thing>());
      places.insert(all.back().get());
    }
    EXPECT_EQ(places.size(), 1000u);
  }
}

// At the end of a thread its objects are freed, and so are those that it
// deletes even later (the sanitizers check that).
TEST(RecycledTest, MayBeMadeHereAndDeletedThere) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<Base>> all(200);
    std::thread([&] {
      for (auto& one : all) one = std::make_unique<Thing>();
    }).join();
    std::thread([&] {
      thread_local std::vector<std::unique_ptr<Base>> late;
      late.push_back(std::make_unique<Thing>());  // registered first, so last
      all.resize(150);
      for (int i = 0; i < 50; ++i) {
        late.push_back(std::move(all.back()));
        all.pop_back();
      }
      all.clear();
    }).join();
  }
}

}  // namespace
}  // namespace firebreak::core
