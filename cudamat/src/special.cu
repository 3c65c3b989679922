// Element-wise functions that are the C library's: trigonometry, rounding, powers and the
// gamma function.
//
// The gamma functions are computed in double precision and rounded: the float versions of
// some C libraries and of CUDA lose digits near their zeros.
#include "elementwise.h"

using namespace cm;

CM_UNARY(sin, ::sin(x))
CM_UNARY(cos, ::cos(x))
CM_UNARY(floor, ::floor(x))
CM_UNARY(ceil, ::ceil(x))
CM_UNARY(gamma, real(::tgamma(double(x))))
CM_UNARY(lgamma, real(log_gamma(double(x))))  // log |gamma(x)|

// Whole powers of negative numbers are real, others NaN.
CM_EITHER(pow, real(::pow(x, y)))
