# 100 steps in the box [-10, 10]^2, from the state on the line: x, y and their velocities. All digits are written.
function within(z) { return z < -10 ? -10 : z > 10 ? 10 : z }
{
  x = $1; y = $2; u = $3; v = $4
  for (step = 0; step < 100; step++) {
    valley = y - x * x
    u = momentum * u + lr * (400 * x * valley + 2 * (1 - x))
    v = momentum * v - lr * 200 * valley
    x = within(x + u)
    y = within(y + v)
  }
  printf "%.17g %.17g %.17g %.17g\n", x, y, u, v
}
