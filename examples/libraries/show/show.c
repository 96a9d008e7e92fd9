#include <shape.h>
#include <stdio.h>
#include <stdlib.h>
#include <wave.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    double a = atof(argv[1]), b = atof(argv[2]);
    printf("%g: %s\n", shape_hypotenuse(a, b), wave_text(a, b));
    return 0;
}
