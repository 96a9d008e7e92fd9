#include "wave.h"

#include <shape.h>
#include <stdlib.h>

char *wave_text(double a, double b)
{
    size_t length = (size_t)shape_hypotenuse(a, b);
    char *text = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = i % 2 ? '_' : '~';
    text[length] = 0;
    return text;
}
