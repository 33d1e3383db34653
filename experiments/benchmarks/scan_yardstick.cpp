// The selective scan's forward pass, as fast as a compiler makes it: what `bench scan` compares
// with. Compiled there for the processor it runs on. One group of B and C, contiguous float32.
#include <cstdint>

#ifdef __AVX512F__
constexpr int W = 16;  // floats of a register
#elif defined(__AVX__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif
constexpr int T = 4;       // registers side by side, with one state each
constexpr int CHUNK = 64;  // steps between two saved states

typedef float Vector __attribute__((vector_size(4 * W)));
typedef int32_t Bits __attribute__((vector_size(4 * W)));
typedef float Memory __attribute__((vector_size(4 * W), aligned(4), may_alias));

static inline Vector load(const float* p) { return *(const Memory*)p; }
static inline void store(float* p, Vector v) { *(Memory*)p = v; }
static inline Vector select(Bits mask, Vector a, Vector b) {
    return (Vector)((mask & (Bits)a) | (~mask & (Bits)b));
}
static inline Vector larger(Vector a, Vector b) { return select(a > b, a, b); }

// 2**(a b) to 2e-7 for -126 <= a b <= 126
static inline Vector exp2_of_product(Vector a, Vector b) {
    const float magic = 1.5f * (1 << 23);  // rounds to an integer, in the low bits
    Vector k = a * b + magic, r = a * b - (k - magic);
    Vector p = r * 0.001320361f + 0.009667992f;
    p = p * r + 0.05550907f;
    p = p * r + 0.24022321f;
    p = p * r + 0.69314691f;
    p = p * r + 1.0f;
    return (Vector)((Bits)p + ((Bits)k << 23));
}
static inline Vector exp_of_minus_magnitude(Vector x) {
    Vector zero = x - x;
    return exp2_of_product(larger(-larger(x, -x), zero - 87.0f), zero + 1.44269504f);
}
static inline Vector softplus(Vector x) {
    Vector e = exp_of_minus_magnitude(x);
    Vector q = e * -0.003318473f + 0.020204589f;
    q = q * e - 0.057664451f;
    q = q * e + 0.10680556f;
    q = q * e - 0.15355397f;
    q = q * e + 0.19695401f;
    q = q * e - 0.24958587f;
    q = q * e + 0.33330511f;
    q = q * e - 0.49999933f;
    return larger(x, x - x) + (e * e * q + e);
}
static inline Vector silu(Vector x) {
    Vector e = exp_of_minus_magnitude(x), one = x - x + 1.0f;
    return x * select(x < 0.0f, e, one) / (e + one);
}

// u, y, z (batch, length, d); delta (batch, length, directions, d); A (directions, d, n);
// B, C (batch, length, directions, n); D, bias (directions, d); pixels (directions, length);
// states (batch, directions, chunks, d, n). d is a multiple of what `width` says, n at most 64.
extern "C" int64_t width() { return W * T; }
extern "C" void forward(const float* u, const float* delta, const float* A, const float* B,
                        const float* C, const float* D, const float* z, const float* bias,
                        const int64_t* pixels, float* y, float* states, int64_t batch,
                        int64_t length, int64_t directions, int64_t d, int64_t n) {
    const int N = W * T;
    const int64_t chunks = (length + CHUNK - 1) / CHUNK;
    alignas(64) static thread_local float a[64 * N], h[64 * N];
    alignas(64) static thread_local float dt[CHUNK * N], in[CHUNK * N], out[CHUNK * N];
    for (int64_t task = 0; task < batch * (d / N) * directions; task++) {
        const int64_t k = task % directions, first = task / directions % (d / N) * N;
        const int64_t image = task / directions / (d / N);
        for (int64_t j = 0; j < n; j++)
            for (int i = 0; i < N; i++) {
                a[j * N + i] = A[(k * d + first + i) * n + j] * 1.44269504f;
                h[j * N + i] = 0;
            }
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            const int64_t left = length - chunk * CHUNK;
            const int steps = left < CHUNK ? left : CHUNK;
            int64_t at[CHUNK];
            const int64_t* here = pixels + k * length + chunk * CHUNK;
            for (int t = 0; t < steps; t++) at[t] = image * length + here[t];
            for (int t = 0; t < steps; t++)
                for (int i = 0; i < N; i += W) {
                    const int64_t own = k * d + first + i;
                    const int64_t row = at[t] * directions * d;
                    const Vector raw = load(delta + row + own) + load(bias + own);
                    const Vector step = softplus(raw), drive = load(u + at[t] * d + first + i);
                    store(dt + t * N + i, step);
                    store(in + t * N + i, step * drive);
                    store(out + t * N + i, drive * load(D + own));
                }
            for (int64_t j = 0; j < n; j++) {
                Vector rate[T], state[T];
                for (int q = 0; q < T; q++) {
                    rate[q] = load(a + j * N + q * W);
                    state[q] = load(h + j * N + q * W);
                }
                for (int t = 0; t < steps; t++) {
                    const float b = B[(at[t] * directions + k) * n + j];
                    const float c = C[(at[t] * directions + k) * n + j];
                    for (int q = 0; q < T; q++) {
                        const int i = t * N + q * W;
                        const Vector decay = exp2_of_product(rate[q], load(dt + i));
                        state[q] = decay * state[q] + load(in + i) * b;
                        store(out + i, state[q] * c + load(out + i));
                    }
                }
                for (int q = 0; q < T; q++) store(h + j * N + q * W, state[q]);
            }
            for (int t = 0; t < steps; t++)
                for (int i = 0; i < N; i += W) {
                    const int64_t own = at[t] * d + first + i;
                    Vector value = load(out + t * N + i);
                    if (k > 0) value += load(y + own);
                    if (k == directions - 1) value *= silu(load(z + own));
                    store(y + own, value);
                }
            float* saved = states + (((image * directions + k) * chunks + chunk) * d + first) * n;
            for (int i = 0; i < N; i++)
                for (int64_t j = 0; j < n; j++) saved[i * n + j] = h[j * N + i];
        }
    }
}
