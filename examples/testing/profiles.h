// An application's service. It shows profiles that it gets from another
// service, or a default profile while that service cannot be reached.
#ifndef FIREBREAK_EXAMPLES_TESTING_PROFILES_H_
#define FIREBREAK_EXAMPLES_TESTING_PROFILES_H_

#include <memory>
#include <string>

#include "firebreak/engine.h"
#include "shop/v1/shop.grpc.pb.h"

namespace example {

class Profiles {
 public:
  Profiles(const std::shared_ptr<firebreak::Engine>& engine,
           const std::string& target);

  // Returns for example "Hello, Ada". Never throws, and never returns "".
  std::string Greeting(const std::string& user);

 private:
  std::unique_ptr<shop::v1::UserService::Stub> stub_;
};

}  // namespace example

#endif  // FIREBREAK_EXAMPLES_TESTING_PROFILES_H_
