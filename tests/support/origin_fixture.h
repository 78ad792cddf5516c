// Calls on plain channels, and the origin of their statuses by what gRPC shows.
//
//   class MyTest : public OriginFixture {};
//   Caller(GetParam(), NewChannel(target)).Run(&call);
//   EXPECT_EQ(Of(call, target), core::Origin::kTransport);
//
// Thread safety: the functions are pure.
#ifndef FIREBREAK_TESTS_SUPPORT_ORIGIN_FIXTURE_H_
#define FIREBREAK_TESTS_SUPPORT_ORIGIN_FIXTURE_H_

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "interceptors/context/origin.h"
#include "tests/support/stub_styles.h"

namespace firebreak::testing {

class OriginFixture : public ::testing::TestWithParam<StubStyle> {
 protected:
  static std::shared_ptr<grpc::Channel> NewChannel(
      const std::string& target, grpc::ChannelArguments args = {}) {
    // Otherwise channels with the same arguments share connections.
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                     args);
  }
  static core::Origin Of(const UnaryCall& call, const std::string& target,
                         bool forget_debug = false) {
    interceptors::EndFacts facts =
        interceptors::FactsOf(call.status, call.context, {target});
    if (forget_debug) facts.debug.clear();
    return interceptors::OriginOf(facts);
  }
};

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_SUPPORT_ORIGIN_FIXTURE_H_
