// The numbers of the library: its reals, and what counts elements.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef CM_DOUBLE
typedef double real;
#else
typedef float real;
#endif

typedef int64_t index_t;
