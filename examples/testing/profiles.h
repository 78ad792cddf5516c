// A service of a user's: it shows profiles, which it gets from another service,
// and a stranger's while that one is out of reach.
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

  // "Hello, Ada"; throws nothing and always has something to show.
  std::string Greeting(const std::string& user);

 private:
  std::unique_ptr<shop::v1::UserService::Stub> stub_;
};

}  // namespace example

#endif  // FIREBREAK_EXAMPLES_TESTING_PROFILES_H_
