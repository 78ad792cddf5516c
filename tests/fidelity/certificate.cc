#include "tests/fidelity/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <iostream>
#include <memory>

namespace firebreak::testing {
namespace {

template <class T>
T Must(T result, const char* what) {
  if (result) return result;
  std::cerr << "OpenSSL: " << what << " failed\n";
  std::abort();
}

// Returns what `write` writes.
template <class Write>
std::string ToPem(const Write& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()),
                                                          &BIO_free_all);
  Must(write(bio.get()), "writing PEM");
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace

Certificate MakeCertificate(const std::string& name) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      Must(EVP_EC_gen("P-256"), "making a key"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> x509(X509_new(),
                                                         &X509_free);
  X509_set_version(x509.get(), 2);  // means version 3
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), 24L * 3600);
  X509_set_pubkey(x509.get(), key.get());
  // A new name, since from OpenSSL 4 on the certificate's name is read-only.
  const std::unique_ptr<X509_NAME, decltype(&X509_NAME_free)> subject(
      X509_NAME_new(), &X509_NAME_free);
  X509_NAME_add_entry_by_txt(
      subject.get(), "CN", MBSTRING_ASC,
      reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_subject_name(x509.get(), subject.get());
  X509_set_issuer_name(x509.get(), subject.get());
  const std::string names = "DNS:" + name;
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)>
      extension(Must(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name,
                                         names.c_str()),
                     "naming the certificate"),
                &X509_EXTENSION_free);
  X509_add_ext(x509.get(), extension.get(), -1);
  Must(X509_sign(x509.get(), key.get(), EVP_sha256()), "signing");
  return {ToPem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0,
                                            nullptr, nullptr);
          }),
          ToPem([&](BIO* bio) { return PEM_write_bio_X509(bio, x509.get()); })};
}

}  // namespace firebreak::testing
