// The order in which held batches go on, and which are held at all.
#include "interceptors/held_batches.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace firebreak::interceptors {
namespace {

// Batches are told apart by their place, and never looked into.
class HeldBatchesTest : public ::testing::Test {
 protected:
  HeldBatches::Methods* Batch(size_t n) {
    return reinterpret_cast<HeldBatches::Methods*>(&places_[n]);
  }
  // What went on, in order; `and_then` is told of each while it does.
  template <class AndThen>
  std::vector<size_t> Release(AndThen and_then) {
    std::vector<size_t> out;
    held_.LetGo(held_.first());
    held_.Release([&](HeldBatches::Methods* batch) {
      out.push_back(static_cast<size_t>(reinterpret_cast<const long*>(batch) -
                                        places_.data()));
      and_then(out.back());
    });
    return out;
  }

  std::array<long, 10> places_{};
  HeldBatches held_{Batch(0)};
};

using Order = std::vector<size_t>;

TEST_F(HeldBatchesTest, GoOnInTheOrderTheyCame) {
  for (size_t n : {1, 2, 3}) EXPECT_TRUE(held_.Park(Batch(n)));
  EXPECT_EQ(Release([](size_t) {}), (Order{1, 2, 3}));
  EXPECT_FALSE(held_.Park(Batch(4)));
}

TEST_F(HeldBatchesTest, OneThatComesMeanwhileWaitsForThoseBeforeIt) {
  for (size_t n : {1, 2}) held_.Park(Batch(n));
  EXPECT_EQ(Release([&](size_t n) {
              if (n == 1) {
                EXPECT_TRUE(held_.Park(Batch(3)));
              }
              if (n == 3) {
                EXPECT_TRUE(held_.Park(Batch(4)));
              }
            }),
            (Order{1, 2, 3, 4}));
}

TEST_F(HeldBatchesTest, OneThatGoesOnIsNotHeldAgain) {
  for (size_t n : {1, 2, 3}) held_.Park(Batch(n));
  // As gRPC brings it back: at once for its results, later on its way up.
  EXPECT_EQ(Release([&](size_t n) {
              EXPECT_FALSE(held_.Park(Batch(n)));
              EXPECT_FALSE(held_.Park(Batch(0)));
              if (n == 3) {
                EXPECT_FALSE(held_.Park(Batch(1)));
              }
            }),
            (Order{1, 2, 3}));
}

}  // namespace
}  // namespace firebreak::interceptors
