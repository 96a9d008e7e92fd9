#include "shape.h"

#include <math.h>

double shape_hypotenuse(double a, double b)
{
    return sqrt(a * a + b * b);
}
