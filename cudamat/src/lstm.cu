// One time step of an LSTM layer with peepholes, forward and backward, and the gradients
// of its element-wise weights over all time steps at once.
//
// n units, batch of B cases, gate order i f a o (input, forget, cell input, output):
//
//   i = sigmoid(zi + w_ci c' + bi)     f = sigmoid(zf + w_cf c' + bf)
//   a = g(za + ba)                     c = f c' + i a
//   o = sigmoid(zo + w_co c + bo)      h = o g(c)
//
// z (4n, B) is W_input x + W_dense h', made by matrix products outside; c', h' are the
// step before; g is tanh. With `relu` set, a = relu(za + ba) and h = o c, as in the
// 2016 release (section 2.1 of the paper has tanh in both places).
#include "matrix.h"
#include "scalar.h"

using namespace cm;

namespace {

// ------------------------------------------------------------------ activations

struct Tanh {
  CM_FN real cell_input(real z) const { return hyperbolic_tangent(z); }
  CM_FN real cell_input_slope(real a) const { return 1 - a * a; }  // from the value
  CM_FN real squash(real c) const { return hyperbolic_tangent(c); }
  CM_FN real squash_slope(real, real squashed) const { return 1 - squashed * squashed; }
};

struct Relu {
  CM_FN real cell_input(real z) const { return relu(z); }
  CM_FN real cell_input_slope(real a) const { return a > 0 ? real(1) : real(0); }
  CM_FN real squash(real c) const { return c; }
  CM_FN real squash_slope(real, real) const { return 1; }
};

// The 2016 release's backward pass of Relu: as if h were o relu(c).
struct GatedRelu : Relu {
  CM_FN real squash_slope(real c, real) const { return c > 0 ? real(1) : real(0); }
};

// ------------------------------------------------------------------ kernels

template <class G>
struct Forward {
  G g;
  index_t n;
  const real* cell_before;  // (n, B)
  const real* diag;         // (3n): w_ci, w_cf, w_co
  const real* bias;         // (4n)
  real* gates;              // (4n, B): in z, out i f a o
  real* cell;               // (n, B), out
  real* hidden;             // (n, B), out
  CM_FN void operator()(index_t u, index_t b) const {
    real* z = gates + 4 * n * b + u;
    const index_t k = n * b + u;
    const real before = cell_before[k];
    const real i = sigmoid(z[0] + diag[u] * before + bias[u]);
    const real f = sigmoid(z[n] + diag[n + u] * before + bias[n + u]);
    const real a = g.cell_input(z[2 * n] + bias[2 * n + u]);
    const real c = f * before + i * a;
    const real o = sigmoid(z[3 * n] + diag[2 * n + u] * c + bias[3 * n + u]);
    z[0] = i;
    z[n] = f;
    z[2 * n] = a;
    z[3 * n] = o;
    cell[k] = c;
    hidden[k] = o * g.squash(c);
  }
};

template <class G>
struct Backward {
  G g;
  index_t n;
  const real* cell_before;   // (n, B)
  const real* cell;          // (n, B)
  const real* diag;          // (3n)
  const real* hidden_deriv;  // (n, B): d loss / d h, all of it
  real* cell_deriv;          // (n, B): in d loss / d c from later steps, out d loss / d c'
  real* gates;               // (4n, B): in i f a o, out d loss / d z
  CM_FN void operator()(index_t u, index_t b) const {
    real* z = gates + 4 * n * b + u;
    const index_t k = n * b + u;
    const real i = z[0], f = z[n], a = z[2 * n], o = z[3 * n];
    const real c = cell[k], before = cell_before[k], dh = hidden_deriv[k];
    const real squashed = g.squash(c);
    const real dzo = dh * squashed * o * (1 - o);
    const real dc = cell_deriv[k] + dh * o * g.squash_slope(c, squashed) +
                    dzo * diag[2 * n + u];
    const real dzi = dc * a * i * (1 - i);
    const real dzf = dc * before * f * (1 - f);
    z[0] = dzi;
    z[n] = dzf;
    z[2 * n] = dc * i * g.cell_input_slope(a);
    z[3 * n] = dzo;
    cell_deriv[k] = dc * f + dzi * diag[u] + dzf * diag[n + u];
  }
};

// Product of a gate's derivative with a cell, to be summed over time and cases.
struct PeepholeTerm {
  const real* deriv;  // first row of the gate in (4n, TB)
  const real* cell;   // (n, TB)
  index_t n;
  CM_FN real operator()(index_t u, index_t k) const {
    return deriv[4 * n * k + u] * cell[n * k + u];
  }
};

struct Store {
  real* target;
  CM_FN void operator()(index_t u, real sum) const { target[u] = sum; }
};

// ------------------------------------------------------------------ checks

// n and B from the gates' shape; every other matrix must fit.
index_t check_step(const Matrix* gates, const Matrix* cell_before, const Matrix* cell,
                   const Matrix* hidden, const Matrix* diag) {
  check_present(gates, "the gates");
  check_plain(gates, "the gates");
  if (gates->rows % 4 != 0) {
    throw Error(kArgument, text("the gates have %lld rows, which is not four times a "
                                "number of units",
                                (long long)gates->rows));
  }
  const index_t n = gates->rows / 4, batch = gates->cols;
  check_shape(cell_before, "the cell before", n, batch);
  check_shape(cell, "the cell", n, batch);
  check_shape(hidden, "the hidden state", n, batch);
  check_plain(cell_before, "the cell before");
  check_plain(cell, "the cell");
  check_plain(hidden, "the hidden state");
  check_shape(diag, "the peephole weights", 1, 3 * n);
  return n;
}

Error unknown(int activation) {
  return Error(kArgument, text("%d is no activation; 0, 1 and 2 are", activation));
}

}  // namespace

// ------------------------------------------------------------------ exports
//
// activation: 0 tanh, 1 relu, 2 relu with the 2016 release's derivative.

CM_EXPORT cm_lstm_fprop(cm_matrix* gates, const cm_matrix* cell_before,
                        const cm_matrix* diag, const cm_matrix* bias, cm_matrix* cell,
                        cm_matrix* hidden, int activation) {
  return guard("lstm_fprop", [&] {
    const index_t n = check_step(gates, cell_before, cell, hidden, diag);
    check_shape(bias, "the bias", 1, 4 * n);
    check_disjoint(cell, cell_before, "the cell before");
    check_disjoint(hidden, cell_before, "the cell before");
    check_disjoint(hidden, cell, "the cell");
    check_disjoint(cell, gates, "the gates");
    check_disjoint(hidden, gates, "the gates");
    auto launch = [&](auto g) {
      for_grid(n, gates->cols,
               Forward<decltype(g)>{g, n, cell_before->data, diag->data, bias->data,
                                    gates->data, cell->data, hidden->data});
    };
    switch (activation) {
      case 0: return launch(Tanh());
      case 1:
      case 2: return launch(Relu());
      default: throw unknown(activation);
    }
  });
}

CM_EXPORT cm_lstm_bprop(cm_matrix* gates, const cm_matrix* cell_before,
                        const cm_matrix* cell, const cm_matrix* diag,
                        const cm_matrix* hidden_deriv, cm_matrix* cell_deriv,
                        int activation) {
  return guard("lstm_bprop", [&] {
    const index_t n = check_step(gates, cell_before, cell, hidden_deriv, diag);
    check_shape(cell_deriv, "the cell derivative", n, gates->cols);
    check_plain(cell_deriv, "the cell derivative");
    check_disjoint(cell_deriv, hidden_deriv, "the hidden derivative");
    check_disjoint(cell_deriv, cell, "the cell");
    check_disjoint(cell_deriv, cell_before, "the cell before");
    check_disjoint(cell_deriv, gates, "the gates");
    check_disjoint(hidden_deriv, gates, "the gates");
    auto launch = [&](auto g) {
      for_grid(n, gates->cols,
               Backward<decltype(g)>{g, n, cell_before->data, cell->data, diag->data,
                                     hidden_deriv->data, cell_deriv->data, gates->data});
    };
    switch (activation) {
      case 0: return launch(Tanh());
      case 1: return launch(Relu());
      case 2: return launch(GatedRelu());
      default: throw unknown(activation);
    }
  });
}

// Gradient of the peephole weights (1, 3n): sums over all T B columns of
// dzi c', dzf c' and dzo c. gates_deriv (4n, TB), cell_before and cell (n, TB).
CM_EXPORT cm_lstm_diag_grad(const cm_matrix* gates_deriv, const cm_matrix* cell_before,
                            const cm_matrix* cell, cm_matrix* diag_grad) {
  return guard("lstm_diag_grad", [&] {
    const index_t n = check_step(gates_deriv, cell_before, cell, cell, diag_grad);
    check_disjoint(diag_grad, gates_deriv, "the gates");
    check_disjoint(diag_grad, cell_before, "the cell before");
    check_disjoint(diag_grad, cell, "the cell");
    const index_t gate[3] = {0, 1, 3};
    for (int k = 0; k < 3; ++k) {
      const Matrix* seen = k < 2 ? cell_before : cell;
      for_row_sums<real>(n, gates_deriv->cols,
                         PeepholeTerm{gates_deriv->data + gate[k] * n, seen->data, n},
                         Store{diag_grad->data + k * n});
    }
  });
}
