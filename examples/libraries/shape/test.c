#include "shape.h"

int main(void)
{
    return shape_hypotenuse(3, 4) == 5 ? 0 : 1;
}
