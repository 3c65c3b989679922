// Errors: the exception inside the library, and the guard that turns it into a code and a
// remembered text at the C ABI. Nothing exits, nothing prints.
#pragma once

#include <stdexcept>
#include <string>

namespace cm {

// Codes that exports return; Python turns them into exceptions.
enum Code { kOk = 0, kArgument = 1, kBoard = 2, kBlas = 3, kMemory = 4, kInternal = 5 };

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& text) : std::runtime_error(text), code_(code) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

// printf into a std::string.
std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));

// The calling thread's last error, for cm_last_error().
void remember_error(const char* name, const char* what);

#define CM_EXPORT extern "C" __attribute__((visibility("default"))) int

// Runs the body of the export `name`; an exception becomes a code and a remembered text.
template <class Body>
int guard(const char* name, Body body) {
  try {
    body();
    return kOk;
  } catch (const Error& error) {
    remember_error(name, error.what());
    return error.code();
  } catch (const std::exception& error) {
    remember_error(name, error.what());
    return kInternal;
  }
}

}  // namespace cm
