// Creates a certificate for TLS between a test and its own server.
//
//   const Certificate certificate = MakeCertificate("firebreak.test");
//   server options: key, certificate;  channel options: certificate as root
//
// It is self-signed and valid for a day, so the repository contains no key.
// Thread safety: safe from any thread. Errors: they end the program, since the
// test cannot go on.
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
