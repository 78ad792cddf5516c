// A certificate made on the spot, for TLS between a test and its own server.
//
//   const Certificate certificate = MakeCertificate("firebreak.test");
//   server options: key, certificate;  channel options: certificate as root
//
// Signed by itself, valid for a day; so no key is kept in the tree.
// Thread safety: any thread. Errors: ends the program, since no test can go on.
#ifndef FIREBREAK_TESTS_FIDELITY_CERTIFICATE_H_
#define FIREBREAK_TESTS_FIDELITY_CERTIFICATE_H_

#include <string>

namespace firebreak::testing {

struct Certificate {
  std::string key;          // PEM
  std::string certificate;  // PEM
};

Certificate MakeCertificate(const std::string& name);

}  // namespace firebreak::testing

#endif  // FIREBREAK_TESTS_FIDELITY_CERTIFICATE_H_
