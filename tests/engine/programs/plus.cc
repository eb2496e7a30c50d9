// C++ with what needs its runtime: exceptions, threads, streams, OpenMP.
#include <iostream>
#include <locale>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

int main() {
    int sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (int i = 1; i <= 100; i++) sum += i;
    std::string caught;
    try {
        std::thread([] {}).join();
        throw std::runtime_error("caught");
    } catch (const std::exception &error) {
        caught = error.what();
    }
    std::cout << "plus " << sum << ' ' << caught << ' ' << std::regex_match("a1", std::regex("[a-z]\\d")) << std::endl;
}
