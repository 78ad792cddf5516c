// What is read from an attempt that has ended. The origin of its status is in
// origin_test.cc.
#include "interceptors/context/wire.h"

#include <gtest/gtest.h>

#include "firebreak/v1/rpc_details.pb.h"

namespace firebreak::interceptors {
namespace {

using std::chrono::seconds;

std::string Details(int64_t s, int32_t nanos,
                    const char* type =
                        "type.googleapis.com/google.rpc."
                        "RetryInfo") {
  v1::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(s);
  info.mutable_retry_delay()->set_nanos(nanos);
  v1::RpcStatus status;
  auto* any = status.add_details();
  any->set_type_url(type);
  any->set_value(info.SerializeAsString());
  return status.SerializeAsString();
}

TEST(RetryInfoDelayTest, ReadsWhatServersSend) {
  EXPECT_EQ(RetryInfoDelay(Details(0, 0)), core::Duration::zero());
  EXPECT_EQ(RetryInfoDelay(Details(2, 5)),
            core::Duration(seconds(2)) + std::chrono::nanoseconds(5));
  EXPECT_EQ(RetryInfoDelay(Details(1, 0, "example.com/google.rpc.RetryInfo")),
            core::Duration(seconds(1)));
  EXPECT_EQ(RetryInfoDelay(Details(315'576'000'000, 0)),
            core::Duration(seconds(int64_t{100} * 365 * 24 * 3600)));
}

TEST(RetryInfoDelayTest, GarbageIsNone) {
  v1::RpcStatus empty;
  empty.add_details()->set_type_url("x/google.rpc.RetryInfo");
  v1::RpcStatus bad;
  bad.add_details()->set_type_url("x/google.rpc.RetryInfo");
  bad.mutable_details(0)->set_value("\xff\xff");
  for (const std::string& details :
       {std::string(), std::string("\xff\xff\xff"), empty.SerializeAsString(),
        bad.SerializeAsString(), Details(-1, 0), Details(0, -1),
        Details(0, 1'000'000'000), Details(315'576'000'001, 0),
        Details(INT64_MIN, INT32_MIN), Details(1, 0, "x/google.rpc.RetryInfoX"),
        Details(1, 0, "google.rpc.RetryInfo")}) {
    EXPECT_FALSE(RetryInfoDelay(details).has_value());
  }
}

}  // namespace
}  // namespace firebreak::interceptors
