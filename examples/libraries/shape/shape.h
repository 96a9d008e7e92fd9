#pragma once

/* The length of the third side of a triangle with a right angle. */
double shape_hypotenuse(double a, double b);
