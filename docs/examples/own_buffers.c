/* Calls single operators on buffers and a queue of the caller's own OpenCL context: a
 * convolution, then ReLU in the same queue, no copies.
 *   cc own_buffers.c $(pkg-config --cflags --libs rote) -lOpenCL -o own_buffers */
#include <rote/opencl.h>
#include <stdio.h>

enum { H = 5, W = 5, N = 2, C = 3, K = 4 };

static enum rote_status convolve(rote_device *device, cl_mem x, cl_mem w, cl_mem y)
{
    cl_mem buffer[3] = {x, w, y};
    rote_tensor *t[3] = {NULL};
    rote_op *conv = NULL, *relu = NULL;
    enum rote_status st = rote_op_new(device, "conv2d_fwd", "x=5x5x2x3 w=3x3x3x4 pad_h=1 pad_w=1", NULL, &conv);
    if (!st)
        st = rote_op_new(device, "relu_fwd", "x=5x5x2x4", NULL, &relu);
    for (int i = 0; !st && i < 3; i++)
        st = rote_tensor_from_opencl(device, buffer[i], &t[i]);
    if (!st && !(st = rote_op_bind(conv, "x", t[0])) && !(st = rote_op_bind(conv, "w", t[1])) &&
        !(st = rote_op_bind(conv, "y", t[2])))
        st = rote_op_run(conv);
    if (!st && !(st = rote_op_bind(relu, "x", t[2])) && !(st = rote_op_bind(relu, "y", t[2])))
        st = rote_op_run(relu);
    rote_op_free(conv);
    rote_op_free(relu);
    for (int i = 0; i < 3; i++)
        rote_tensor_free(t[i]);
    return st;
}

int main(void)
{
    static float x[H * W * N * C], w[3 * 3 * C * K], y[H * W * N * K];
    cl_platform_id platform;
    cl_device_id id;
    rote_device *device = NULL;
    double sum = 0;
    for (int i = 0; i < H * W * N * C; i++)
        x[i] = (float)(i % 7) - 3;
    for (int i = 0; i < 3 * 3 * C * K; i++)
        w[i] = (float)(i % 5) - 2;
    if (clGetPlatformIDs(1, &platform, NULL) || clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL))
        return 1;
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, NULL);
    cl_command_queue queue = clCreateCommandQueue(context, id, 0, NULL);
    cl_mem bx = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof x, x, NULL);
    cl_mem bw = clCreateBuffer(context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, sizeof w, w, NULL);
    cl_mem by = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof y, NULL, NULL);
    enum rote_status st = rote_device_from_opencl(context, queue, &device);
    if (!st)
        st = convolve(device, bx, bw, by);
    if (!st && clEnqueueReadBuffer(queue, by, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL))
        st = ROTE_ECL;
    for (int i = 0; !st && i < H * W * N * K; i++)
        sum += y[i];
    printf(st ? "failed: %s\n" : "%sthe outputs' sum is %.1f\n", st ? rote_error_detail() : "", sum);
    rote_device_free(device);
    clReleaseMemObject(bx);
    clReleaseMemObject(bw);
    clReleaseMemObject(by);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return st != ROTE_OK;
}
